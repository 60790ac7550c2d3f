"""Users' accounts on other servers, and what has been fetched from them (N-060, N-061)."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.secrets import SealedField
from clock.fields import MomentField

PASSWORD_PURPOSE = "retrieval password"  # noqa: S105 - the name of a use, not a password


class Kind(models.TextChoices):
    """By which protocol."""

    POP3 = "pop3", "POP3"
    IMAP = "imap", "IMAP"


class Security(models.TextChoices):
    """How the connection is encrypted. RFC 8314 §3, RFC 2595."""

    TLS = "tls", "TLS from the start"
    STARTTLS = "starttls", "STARTTLS"
    NONE = "none", "Not encrypted"


class Afterwards(models.TextChoices):
    """What becomes of a message on the other server once it is here."""

    KEEP = "keep", "Leave it there"
    DELETE_LATER = "delete-later", "Delete it after some days"
    DELETE = "delete", "Delete it at once"


class RetrievalAccount(models.Model):
    """An account of one user on another server. What its runs came to stands in it, too."""

    user = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="retrieval_accounts"
    )
    kind = models.CharField(max_length=4, choices=Kind.choices, help_text="By which protocol.")
    host = models.CharField(max_length=253, help_text="The name of the other server.")
    port = models.PositiveIntegerField(
        default=995,
        validators=[MinValueValidator(1), MaxValueValidator(65_535)],
        help_text="With TLS from the start 995 for POP3 and 993 for IMAP; else 110 and 143.",
    )
    security = models.CharField(
        max_length=8, choices=Security.choices, default=Security.TLS,
        help_text="How the connection is encrypted. Unencrypted, the password can be read on the "
        "way.",
    )  # fmt: skip
    verify_certificate = models.BooleanField(
        default=True, help_text="Log in only where the certificate proves the server's name."
    )
    username = models.CharField(
        max_length=255, help_text="As the other server knows it; often the whole address."
    )
    password = SealedField(
        default=b"", editable=False, purpose=PASSWORD_PURPOSE,
        help_text="accounts.secrets: never shown.",
    )  # fmt: skip
    afterwards = models.CharField(
        max_length=12, choices=Afterwards.choices, default=Afterwards.KEEP,
        help_text="What becomes of a message on the other server once it is here.",
    )  # fmt: skip
    delete_after_days = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text="If messages are deleted there after some days: after how many, 1 to 3650.",
    )
    target_folder = models.CharField(
        max_length=1000, default="INBOX",
        help_text="The folder here that gets the mail; it is made if it is missing.",
    )  # fmt: skip
    all_folders = models.BooleanField(
        default=False, help_text="IMAP: fetch all folders and keep their tree, not the Inbox only."
    )
    interval_minutes = models.PositiveSmallIntegerField(
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
        help_text="Minutes between two visits, 1 to 1440.",
    )
    is_enabled = models.BooleanField(default=True, help_text="Off: nothing is fetched.")
    created_at = MomentField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    # What the runs have to say.
    next_due_at = MomentField(editable=False)
    last_run_at = MomentField(null=True, editable=False, help_text="None: there was none yet.")
    last_count = models.PositiveIntegerField(
        default=0, editable=False, help_text="Messages that the last run brought."
    )
    last_error = models.CharField(
        max_length=400, blank=True, editable=False,
        help_text="Why the last run failed, or what it left; empty: all went well.",
    )  # fmt: skip
    failures = models.PositiveIntegerField(
        default=0, editable=False, help_text="Runs in a row that failed."
    )
    told_at = MomentField(
        null=True, editable=False, help_text="When its user was told that it fails; None: not yet."
    )
    claimed_by = models.BigIntegerField(
        null=True, editable=False, help_text="The run that works on it; None: none."
    )
    claimed_until = MomentField(
        null=True, editable=False, help_text="When the claim lapses by itself."
    )

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["kind", "next_due_at"],
                condition=Q(is_enabled=True),
                name="retrieval_due",
            ),
            models.Index(
                fields=["claimed_until"],
                condition=Q(claimed_by__isnull=False),
                name="retrieval_claimed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.username} at {self.host}"

    @property
    def domain_id(self) -> int | None:
        """Whose administrators may see what was changed about it."""
        return self.user.domain_id


class RemoteFolder(models.Model):
    """A folder of the other server and how far it has been fetched; POP3 has one, without a name.

    All UIDs up to `last_uid` have been dealt with. RFC 9051 §2.3.1.1, RFC 7162 §3.1.1.
    """

    account = models.ForeignKey(RetrievalAccount, on_delete=models.CASCADE, related_name="folders")
    name = models.CharField(max_length=1000, blank=True)
    uidvalidity = models.PositiveBigIntegerField(default=0, help_text="POP3: 0.")
    last_uid = models.PositiveBigIntegerField(default=0)
    highest_modseq = models.PositiveBigIntegerField(
        default=0, help_text="Up to which changes of flags have been followed; 0: none."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="remote_folder_of_account")
        ]

    def __str__(self) -> str:
        return self.name or "INBOX"


class FetchedMessage(models.Model):
    """One message that is here already: written by the transaction that took it in.

    `uidvalidity` None: the names of the other server mean nothing any more (it gave new ones, or
    the account leads to another server now), and only the digest recognises it.
    """

    id = models.BigIntegerField(primary_key=True)
    folder = models.ForeignKey(RemoteFolder, on_delete=models.CASCADE, related_name="messages")
    uidvalidity = models.PositiveBigIntegerField(null=True)
    key = models.CharField(
        max_length=270,
        help_text="POP3: the UIDL, behind it which of those that share it; IMAP: the UID.",
    )
    digest = models.CharField(max_length=64, help_text="SHA-256 of its octets, in hexadecimals.")
    mailbox_message_id = models.BigIntegerField(
        null=True, help_text="The message in the mailbox here, if it went there at once."
    )
    fetched_at = MomentField()
    deleted_at = MomentField(null=True, help_text="When it was deleted there by this server.")
    missing_since = MomentField(null=True, help_text="Since when it is not there any more.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["folder", "uidvalidity", "key"], name="fetched_message_once"
            )
        ]
        indexes = [models.Index(fields=["folder", "digest"], name="fetched_digest")]

    def __str__(self) -> str:
        return self.key


class RetrievalSettings(models.Model):
    """Settings of the whole server; one row with the key 1."""

    parallel_accounts = models.PositiveSmallIntegerField(
        default=10, help_text="Accounts that are fetched from at the same time."
    )
    allowed_networks = models.JSONField(
        default=list, blank=True,
        help_text="Private networks, as 10.1.0.0/16, whose servers users may fetch from; mail is "
        "never fetched from any other private or loopback address.",
    )  # fmt: skip
    reply_seconds = models.PositiveSmallIntegerField(
        default=60, help_text="How long the other server may take to answer."
    )
    session_minutes = models.PositiveSmallIntegerField(
        default=30, help_text="Then a run ends; the next one goes on."
    )

    class Meta:
        verbose_name_plural = "retrieval settings"

    def __str__(self) -> str:
        return "retrieval settings"
