"""Folders and the messages in them: UIDs, MODSEQs, flags, counters. RFC 9051, RFC 7162."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from clock.fields import MomentField


class SpecialUse(models.TextChoices):
    """What a folder is for (RFC 6154)."""

    NONE = "", "None"
    INBOX = "inbox", "Inbox"
    DRAFTS = "drafts", "Drafts"
    SENT = "sent", "Sent"
    TRASH = "trash", "Deleted"
    JUNK = "junk", "Junk"
    ARCHIVE = "archive", "Archive"


class Flag:
    """System flags as bits of `Message.flags`."""

    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


class Folder(models.Model):
    """Counters are kept by the transactions that change them; `manage.py verify` recounts."""

    account = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="folders")
    name = models.CharField(max_length=1000, help_text="The whole path, levels joined by '/'.")
    special_use = models.CharField(max_length=7, choices=SpecialUse.choices, blank=True)
    uidvalidity = models.PositiveBigIntegerField()
    uid_next = models.PositiveBigIntegerField(default=1)
    highest_modseq = models.PositiveBigIntegerField(default=1)
    recent_uid = models.PositiveBigIntegerField(
        default=0, help_text="Messages above this UID were not yet shown to any session."
    )
    messages = models.PositiveIntegerField(default=0)
    unseen = models.PositiveIntegerField(default=0)
    deleted = models.PositiveIntegerField(default=0, help_text="Messages flagged \\Deleted.")
    bytes = models.PositiveBigIntegerField(default=0)
    created_at = MomentField(editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="folder_of_account"),
            models.UniqueConstraint(
                fields=["account", "special_use"],
                condition=~Q(special_use=""),
                name="one_folder_for_each_use",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Message(models.Model):
    """One message in one folder. What never changes is in its blob; copies share it."""

    id = models.BigIntegerField(primary_key=True)
    folder = models.ForeignKey(
        Folder, on_delete=models.CASCADE, db_index=False, related_name="rows"
    )
    uid = models.PositiveBigIntegerField()
    modseq = models.PositiveBigIntegerField()
    flags = models.PositiveSmallIntegerField(default=0, help_text="Bits of `Flag`.")
    keywords = models.TextField(default="", blank=True, help_text="Separated by one space.")
    # A constraint would cost a scan of all messages for each blob that is swept; the blob's
    # count of references guards it.
    blob = models.ForeignKey(
        "blobs.Blob",
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="+",
    )
    prefix = models.TextField(
        default="",
        blank=True,
        help_text="Return-Path and Delivered-To of this copy: stands before the blob's bytes.",
    )
    size_bytes = models.PositiveBigIntegerField(help_text="Prefix and body: RFC822.SIZE.")
    received_at = MomentField(help_text="INTERNALDATE.")
    saved_at = MomentField(help_text="When it came into this folder (RFC 8514).")
    spooled_id = models.BigIntegerField(
        null=True, help_text="The spooled message that brought it; None: APPEND or COPY."
    )
    is_settled = models.BooleanField(
        default=False, help_text="The blob lies in the domain's own folder."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["folder", "uid"], name="uid_in_folder"),
        ]
        indexes = [
            models.Index(fields=["folder", "modseq"], name="message_modseq"),
            models.Index(fields=["id"], condition=Q(is_settled=False), name="message_unsettled"),
        ]

    def __str__(self) -> str:
        return f"{self.folder_id}/{self.uid}"


class ExpungedMessage(models.Model):
    """A UID that is gone: tells sessions and, later, resynchronising clients (RFC 7162)."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, db_index=False, related_name="+")
    uid = models.PositiveBigIntegerField()
    modseq = models.PositiveBigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["folder", "modseq"], name="expunged_modseq")]

    def __str__(self) -> str:
        return f"{self.folder_id}/{self.uid}"


class Subscription(models.Model):
    """A folder name the user wants listed; it may outlive the folder (RFC 3501 §6.3.6)."""

    account = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=1000)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="subscription_once"),
        ]

    def __str__(self) -> str:
        return self.name


class AccountUsage(models.Model):
    """What a mailbox holds (U-013)."""

    account = models.OneToOneField(
        "accounts.User", on_delete=models.CASCADE, primary_key=True, related_name="usage"
    )
    bytes = models.PositiveBigIntegerField(default=0)
    messages = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.bytes} bytes"


class DomainUsage(models.Model):
    """What all mailboxes of a domain hold (D-082), and what was said of it (D-083)."""

    domain = models.OneToOneField(
        "domains.Domain", on_delete=models.CASCADE, primary_key=True, related_name="usage"
    )
    bytes = models.PositiveBigIntegerField(default=0)
    messages = models.PositiveBigIntegerField(default=0)
    warned_percent = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="How full the administrators know it to be: 0, 90 or 100 % of the limit.",
    )

    def __str__(self) -> str:
        return f"{self.bytes} bytes"


class MaildropLock(models.Model):
    """The one POP3 session that has a maildrop open (RFC 1939 §8); it lapses by itself."""

    account = models.OneToOneField(
        "accounts.User", on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    session = models.BigIntegerField()
    lapses_at = MomentField()

    def __str__(self) -> str:
        return f"{self.account_id}"
