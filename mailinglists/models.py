"""Mailing lists of domains: settings, people, posts, and the words by which people confirm."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from clock.fields import MomentField


class Posting(models.TextChoices):
    """Who may post (L-004)."""

    ANYONE = "anyone", "Anyone"
    SUBSCRIBERS = "subscribers", "Subscribers"
    MODERATORS = "moderators", "Moderators"


class RepliesTo(models.TextChoices):
    """Whom an answer to a post reaches (L-008)."""

    SENDER = "sender", "The author"
    LIST = "list", "The list"


class MailingList(models.Model):
    """A list; `local_part` is its name and its address (L-002)."""

    domain = models.ForeignKey("domains.Domain", on_delete=models.CASCADE, related_name="lists")
    local_part = models.CharField(max_length=52, verbose_name="name")
    description = models.CharField(max_length=200, blank=True)
    posting = models.CharField(
        max_length=11, choices=Posting.choices, default=Posting.SUBSCRIBERS,
        help_text="Who may post.",
    )  # fmt: skip
    is_moderated = models.BooleanField(
        default=False, help_text="Every post waits until a moderator lets it go out."
    )
    post_password = models.CharField(
        max_length=200, blank=True, editable=False, help_text="Hashed; empty: none is asked for."
    )
    maximum_post_kb = models.PositiveIntegerField(
        default=0, help_text="Kilobytes of the largest post; 0 means that the domain's limit holds."
    )
    replies_to = models.CharField(
        max_length=6, choices=RepliesTo.choices, default=RepliesTo.SENDER,
        help_text="Whom an answer to a post reaches.",
    )  # fmt: skip
    subject_prefix = models.CharField(
        max_length=60, blank=True, help_text="Put before the subject of each post, as [news]."
    )
    header_text = models.TextField(blank=True, help_text="Put before the text of each post.")
    footer_text = models.TextField(blank=True, help_text="Put behind the text of each post.")
    welcome_text = models.TextField(blank=True, help_text="Sent to new subscribers.")
    goodbye_text = models.TextField(blank=True, help_text="Sent to those who leave.")
    help_text = models.TextField(blank=True, help_text="The answer to the command help.")
    is_public = models.BooleanField(
        default=False, help_text="Anyone who asks for the lists of the domain is told of it."
    )
    takes_subscriptions = models.BooleanField(
        default=True, help_text="People may subscribe by mail; each has to confirm it."
    )
    shows_subscribers = models.BooleanField(
        default=False, help_text="Moderators may ask by mail who is subscribed."
    )
    # L-010: what comes first makes a digest; 0: that does not.
    digest_hours = models.PositiveSmallIntegerField(
        default=24, help_text="Hours after which a digest is sent; 0 means that time does not."
    )
    digest_messages = models.PositiveSmallIntegerField(
        default=50, help_text="Posts that make a digest; 0 means that their number does not."
    )
    digest_kb = models.PositiveIntegerField(
        default=100, help_text="Kilobytes that make a digest; 0 means that their size does not."
    )
    # L-013.
    bounce_limit = models.PositiveSmallIntegerField(
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="Mail that comes back so often, within the days, suspends a subscriber.",
    )
    bounce_days = models.PositiveSmallIntegerField(
        default=14,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text="Days for which mail that came back counts.",
    )
    removal_days = models.PositiveSmallIntegerField(
        default=30,
        validators=[MaxValueValidator(3650)],
        help_text="Days after which one who was suspended so is removed; 0 means never.",
    )
    # T-012.
    throttle_enabled = models.BooleanField(default=False, help_text="Off: not limited.")
    throttle_messages = models.PositiveIntegerField(
        default=5_000, help_text="Remote recipients an hour; 0 means no limit."
    )
    throttle_mb = models.PositiveIntegerField(
        default=100, help_text="Megabytes sent an hour; 0 means no limit."
    )
    created_at = MomentField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    # How far digests are.
    digested_up_to = models.BigIntegerField(
        default=0, editable=False, help_text="All posts up to this one stood in a digest."
    )
    digest_number = models.PositiveIntegerField(
        default=0, editable=False, help_text="Of the latest digest; 0: there was none."
    )
    last_digest_at = MomentField(null=True, editable=False, help_text="None: there was none.")

    class Meta:
        ordering = ["domain_id", "local_part"]
        constraints = [
            models.UniqueConstraint(fields=["domain", "local_part"], name="list_in_domain"),
        ]
        indexes = [
            models.Index(
                fields=["local_part"], name="list_by_name", opclasses=["varchar_pattern_ops"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain.unicode_name}"

    @property
    def address(self) -> str:
        """As the wire wants it."""
        return f"{self.local_part}@{self.domain.name}"


class Moderator(models.Model):
    """A user of the domain who runs a list (U-005, L-011)."""

    mailing_list = models.ForeignKey(
        MailingList, on_delete=models.CASCADE, related_name="moderators"
    )
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="moderates")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mailing_list", "user"], name="list_moderator"),
        ]

    def __str__(self) -> str:
        return str(self.user)


class PosterRule(models.Model):
    """Who may post whatever else is set, or never: bans come first (L-004)."""

    class Kind(models.TextChoices):
        ALLOW = "allow", "May always post"
        BAN = "ban", "May never post"

    mailing_list = models.ForeignKey(
        MailingList, on_delete=models.CASCADE, related_name="poster_rules"
    )
    pattern = models.CharField(max_length=320, help_text="An address, or @domain.")
    kind = models.CharField(max_length=5, choices=Kind.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mailing_list", "pattern"], name="list_poster_rule"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pattern}"


class Mode(models.TextChoices):
    """How a subscriber gets posts (L-010)."""

    STANDARD = "standard", "Each post"
    DIGEST = "digest", "Digests"


class SubscriberState(models.TextChoices):
    """Whether a subscriber gets posts (L-012)."""

    ACTIVE = "active", "Active"
    UNCONFIRMED = "unconfirmed", "Not confirmed"
    SUSPENDED = "suspended", "Suspended"


class Suspension(models.TextChoices):
    """Why a subscriber is suspended."""

    BOUNCES = "bounces", "Mail came back"
    REQUEST = "request", "By a moderator"


class Subscriber(models.Model):
    """An address on a list. Its key stands in the return path of what is sent to it."""

    id = models.BigIntegerField(primary_key=True)
    mailing_list = models.ForeignKey(
        MailingList, on_delete=models.CASCADE, related_name="subscribers", db_index=False
    )
    address = models.CharField(max_length=320, help_text="As it was given.")
    key = models.CharField(max_length=320, help_text="protocols.address.Address.key of it.")
    name = models.CharField(max_length=200, blank=True)
    mode = models.CharField(max_length=8, choices=Mode.choices, default=Mode.STANDARD)
    state = models.CharField(
        max_length=11, choices=SubscriberState.choices, default=SubscriberState.ACTIVE
    )
    subscribed_at = MomentField()
    suspended_at = MomentField(null=True, help_text="None: not suspended.")
    suspended_for = models.CharField(max_length=7, choices=Suspension.choices, blank=True)
    bounce_score = models.FloatField(
        default=0, help_text="The sum of what came back within the list's days."
    )
    last_bounce_at = MomentField(null=True, help_text="None: none, or too long ago to count.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mailing_list", "key"], name="subscriber_of_list"),
        ]
        indexes = [
            # A post is handed on along this one.
            models.Index(
                fields=["mailing_list", "mode", "id"],
                condition=Q(state="active"),
                name="subscriber_active",
            ),
            models.Index(fields=["mailing_list", "state", "id"], name="subscriber_state"),
            models.Index(fields=["mailing_list", "id"], name="subscriber_by_id"),
            # The page looks for the beginning of an address.
            models.Index(
                fields=["mailing_list", "key"],
                name="subscriber_by_key",
                opclasses=["int8_ops", "varchar_pattern_ops"],
            ),
            models.Index(fields=["key"], name="subscriber_lists"),
            models.Index(
                fields=["suspended_at"],
                condition=Q(suspended_for="bounces"),
                name="subscriber_suspended",
            ),
        ]

    def __str__(self) -> str:
        return self.address


class Bounce(models.Model):
    """One report about a copy for a subscriber, as long as it counts (L-013)."""

    id = models.BigIntegerField(primary_key=True)
    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="bounces")
    at = MomentField()
    weight = models.FloatField(help_text="1: for good; less: for now.")
    words = models.CharField(max_length=300, blank=True, help_text="What the report said.")

    class Meta:
        indexes = [models.Index(fields=["at"], name="list_bounce_at")]

    def __str__(self) -> str:
        return self.words


class Post(models.Model):
    """One post or digest that goes out, and how far it is.

    `blob` is what all get: changed already, without what differs from one to the other. It is None
    once everybody has it and no digest needs it.
    """

    id = models.BigIntegerField(primary_key=True)
    mailing_list = models.ForeignKey(MailingList, on_delete=models.CASCADE, related_name="posts")
    # Without a constraint, as mailboxes.Message.blob and for the same reason.
    blob = models.ForeignKey(
        "blobs.Blob", null=True, on_delete=models.PROTECT, db_index=False, db_constraint=False,
        related_name="+",
    )  # fmt: skip
    mode = models.CharField(
        max_length=8, choices=Mode.choices, default=Mode.STANDARD,
        help_text="Whom it is for; for those who get digests it is a digest itself.",
    )  # fmt: skip
    spooled_recipient_id = models.BigIntegerField(
        null=True, help_text="By which recipient of the spool it came; None: made here."
    )
    spooled_id = models.BigIntegerField(
        null=True, help_text="The message of the spool it came by, whose trace goes on here."
    )
    sender = models.CharField(max_length=330, blank=True, help_text="Envelope sender of the post.")
    author = models.CharField(max_length=330, blank=True, help_text="The address in From.")
    subject = models.CharField(max_length=250, blank=True)
    message_id = models.CharField(max_length=250, blank=True)
    size_bytes = models.PositiveBigIntegerField()
    is_utf8 = models.BooleanField(default=False, help_text="Its header needs SMTPUTF8.")
    body_type = models.CharField(max_length=10, default="7BIT", help_text="RFC 6152, RFC 3030.")
    accepted_at = MomentField()
    approved_by = models.CharField(max_length=330, blank=True, help_text="Empty: nobody had to.")
    subscribers = models.PositiveIntegerField(
        default=0, help_text="Who was to get it when it was accepted."
    )
    reached_id = models.BigIntegerField(
        default=0, help_text="All subscribers up to this one have been handed to the spool."
    )
    copies = models.PositiveIntegerField(default=0, help_text="Handed to the spool.")
    finished_at = MomentField(null=True, help_text="None: it is still being handed on.")
    claimed_until = MomentField(
        null=True, help_text="Until when one process works on it; None: none does."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["spooled_recipient_id"],
                condition=Q(spooled_recipient_id__isnull=False),
                name="post_once",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(finished_at=None), name="post_unfinished"),
            models.Index(fields=["mailing_list", "id"], name="post_of_list"),
            models.Index(
                fields=["mailing_list", "id"],
                condition=Q(blob__isnull=False),
                name="post_with_blob",
            ),
        ]

    def __str__(self) -> str:
        return self.subject or "(no subject)"


class HeldPost(models.Model):
    """A post that waits for a moderator (L-005)."""

    class Reason(models.TextChoices):
        MODERATED = "moderated", "Every post to the list waits"
        NOT_ALLOWED = "not-allowed", "The author may not post by himself"
        NOT_PROVEN = "not-proven", "The author says to be a moderator, but did not log in"
        SPAM = "spam", "It was marked as spam"

    id = models.BigIntegerField(primary_key=True)
    mailing_list = models.ForeignKey(MailingList, on_delete=models.CASCADE, related_name="held")
    blob = models.ForeignKey(
        "blobs.Blob", on_delete=models.PROTECT, db_index=False, db_constraint=False,
        related_name="+", help_text="As it came.",
    )  # fmt: skip
    spooled_recipient_id = models.BigIntegerField(unique=True)
    spooled_id = models.BigIntegerField()
    sender = models.CharField(max_length=330, blank=True)
    author = models.CharField(max_length=330, blank=True)
    subject = models.CharField(max_length=250, blank=True)
    message_id = models.CharField(max_length=250, blank=True)
    size_bytes = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=11, choices=Reason.choices)
    is_utf8 = models.BooleanField(default=False)
    body_type = models.CharField(max_length=10, default="7BIT")
    detail = models.CharField(max_length=300, blank=True, help_text="What decided, in words.")
    rewrites_author = models.BooleanField(
        default=False, help_text="The author's domain lets nobody else send under its name (L-008)."
    )
    held_at = MomentField()

    class Meta:
        indexes = [models.Index(fields=["mailing_list", "id"], name="held_of_list")]

    def __str__(self) -> str:
        return self.subject or "(no subject)"


class Token(models.Model):
    """A word that was mailed to somebody, by which he confirms something once (L-012, L-038)."""

    class Purpose(models.TextChoices):
        SUBSCRIBE = "subscribe", "Subscribe"
        UNSUBSCRIBE = "unsubscribe", "Unsubscribe"
        MODERATE = "moderate", "Let a post go out, or refuse it"

    id = models.BigIntegerField(primary_key=True)
    mailing_list = models.ForeignKey(MailingList, on_delete=models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=11, choices=Purpose.choices)
    address = models.CharField(max_length=320, help_text="To whom it was mailed.")
    name = models.CharField(max_length=200, blank=True)
    mode = models.CharField(max_length=8, choices=Mode.choices, default=Mode.STANDARD)
    held_post = models.ForeignKey(
        HeldPost, null=True, on_delete=models.CASCADE, related_name="+", help_text="To moderate."
    )
    expires_at = MomentField()
    used_at = MomentField(null=True, help_text="None: it can still be used.")

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="list_token_expires")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.address}"
