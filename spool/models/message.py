"""A message on its way and each of its recipients; finished rows stay as the trace."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.db.models import Q

from blobs.ids import encode_id
from clock.fields import MomentField
from clock.moments import to_micros

# Sorts behind every moment: what is held has no next try.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
# The last words about a recipient that nobody released or deleted in time (S-060).
REMOVED = "Removed from quarantine, for its time there was over"


class Origin(models.TextChoices):
    """By which door a message came."""

    SMTP = "smtp", "Another server"
    SUBMISSION = "submission", "A user's program"
    RELAY = "relay", "A listed network"
    WEBMAIL = "webmail", "Webmail"
    API = "api", "The API"
    RETRIEVAL = "retrieval", "Retrieval"
    SERVER = "server", "This server"


class Kind(models.TextChoices):
    """What the priority rules ask for (P-004)."""

    STANDARD = "standard", "Standard"
    LIST = "list", "Mailing list"
    AUTORESPONDER = "autoresponder", "Auto-responder"
    BOUNCE = "bounce", "Bounce"
    REPORT = "report", "Report"
    EVENT = "event", "Event"
    NOTICE = "notice", "Notice of this server"

    @property
    def is_exempt(self) -> bool:
        """Whether limits of space do not count (D-083): it may say that there is none left."""
        return self is Kind.NOTICE


class SpooledMessage(models.Model):
    """One accepted message. `finished_at` None: it is still our duty.

    The row outlives delivery as the head of the trace, without its blob, until retention ends.
    """

    id = models.BigIntegerField(primary_key=True)
    # Without a constraint, as mailboxes.Message.blob and for the same reason.
    blob = models.ForeignKey(
        "blobs.Blob",
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="+",
    )
    origin = models.CharField(max_length=10, choices=Origin.choices)
    kind = models.CharField(max_length=13, choices=Kind.choices, default=Kind.STANDARD)
    sender = models.CharField(
        max_length=330, blank=True, help_text="Envelope sender; empty: the null sender."
    )
    sender_account = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.SET_NULL, db_index=False, related_name="+"
    )
    domain = models.ForeignKey(
        "domains.Domain",
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
        help_text="The domain of ours that caused the message: its settings count (P-004).",
    )
    list_id = models.BigIntegerField(
        null=True,
        help_text="The mailing list whose post it carries to some of its subscribers; it pays"
        " with its own hour's allowance, too (T-012). Kept when the list is deleted.",
    )
    message_id = models.CharField(max_length=250, blank=True, help_text="Message-ID, no brackets.")
    size_bytes = models.PositiveBigIntegerField()
    client_address = models.CharField(max_length=45, blank=True)
    client_name = models.CharField(max_length=255, blank=True, help_text="As HELO said.")
    protocol = models.CharField(max_length=12, blank=True, help_text="RFC 3848: ESMTPSA ...")
    body_type = models.CharField(max_length=10, default="7BIT")
    smtputf8 = models.BooleanField(default=False)
    ret = models.CharField(max_length=4, blank=True, help_text="FULL, HDRS or empty (RFC 3461).")
    envid = models.CharField(max_length=100, blank=True)
    manual_priority = models.PositiveSmallIntegerField(null=True, help_text="S-034; None: by rule.")
    accepted_at = MomentField()
    expires_at = MomentField()
    finished_at = MomentField(null=True)
    delay_notice_at = MomentField(
        null=True, help_text="When the delay notice is due, set by the first deferral; or None."
    )
    throttled_until = MomentField(
        null=True, help_text="The end of the last hour in which a limit held it (T-002)."
    )
    reports_received = models.PositiveIntegerField(
        null=True, help_text="Non-delivery reports about it that were counted (T-007)."
    )
    recipients_total = models.PositiveIntegerField()
    recipients_delivered = models.PositiveIntegerField(default=0)
    decisions = models.JSONField(
        default=list,
        help_text="What was decided when it was accepted: spool.trace.Decision values.",
    )
    # What the spool page sorts by, filled by spool.summaries about a second after acceptance:
    # mail that passes in a moment is in none of these indexes (S-004).
    is_listed = models.BooleanField(db_default=False)
    worst_state = models.PositiveSmallIntegerField(
        db_default=10, help_text="Of its unfinished recipients (S-045)."
    )
    attempts = models.PositiveIntegerField(db_default=0, help_text="The most (S-027).")
    next_at = MomentField(
        db_default=to_micros(NEVER), help_text="The earliest next try (S-028); NEVER: held."
    )
    priority = models.PositiveSmallIntegerField(db_default=5, help_text="The highest (S-039).")
    spool_path = models.CharField(max_length=255, db_default="", help_text="S-030.")
    quarantined_until = MomentField(
        null=True, help_text="When the first is removed from quarantine; None: none is there."
    )

    class Meta:
        indexes = [
            models.Index(fields=["id"], condition=Q(finished_at=None), name="spool_unfinished"),
            models.Index(
                fields=["id"], condition=Q(finished_at=None, is_listed=False), name="spool_unlisted"
            ),
            *(
                models.Index(
                    fields=[field, "id"],
                    condition=Q(finished_at=None, is_listed=True),
                    name=f"spool_by_{field}"[:30],
                )
                for field in (
                    "sender",
                    "size_bytes",
                    "recipients_total",
                    "worst_state",
                    "attempts",
                    "next_at",
                    "priority",
                    "spool_path",
                )
            ),
            models.Index(
                fields=["quarantined_until", "id"],
                condition=Q(finished_at=None) & Q(quarantined_until__isnull=False),
                name="spool_quarantine",
            ),
            models.Index(
                fields=["delay_notice_at"],
                condition=Q(finished_at=None) & Q(delay_notice_at__isnull=False),
                name="spool_delay_notice",
            ),
            models.Index(fields=["message_id"], name="spool_message_id"),
            models.Index(fields=["sender"], condition=~Q(sender=""), name="spool_sender"),
            # Without it each account that is deleted reads the whole trace. Only mail that a user
            # hands in pays; the other keys are looked for when a domain goes, which is seldom.
            models.Index(
                fields=["sender_account"],
                condition=Q(sender_account__isnull=False),
                name="spool_sender_account",
            ),
        ]

    def __str__(self) -> str:
        return encode_id(self.id)


class State(models.IntegerChoices):
    """Where one recipient stands: below 100 it waits, from 100 on it has ended (the ledger)."""

    QUEUED = 10, "Queued"
    RETRYING = 20, "Waiting to retry"
    THROTTLED = 30, "Throttled"
    HELD = 40, "Held"
    DELETING = 50, "Being deleted"  # it can still be undone
    DELIVERED = 100, "Delivered"
    RELAYED = 110, "Relayed"
    BOUNCED = 120, "Bounced"
    EXPIRED = 130, "Expired"
    DISCARDED = 140, "Discarded by a rule"
    DELETED = 150, "Deleted by an administrator"


class Route(models.TextChoices):
    """Which agent a recipient is for."""

    LOCAL = "local", "A mailbox of ours"
    REMOTE = "remote", "Another server"
    LIST = "list", "A mailing list"


class SpooledRecipient(models.Model):
    """One final recipient, after aliases. It ends in exactly one state from 100 on."""

    id = models.BigIntegerField(primary_key=True)
    message = models.ForeignKey(SpooledMessage, on_delete=models.CASCADE, related_name="recipients")
    address = models.CharField(max_length=330, help_text="Where it goes.")
    original_address = models.CharField(max_length=330, help_text="As RCPT TO said.")
    orcpt = models.CharField(max_length=500, blank=True, help_text="RFC 3461 §4.2, type;address.")
    notify = models.CharField(max_length=30, blank=True, help_text="RFC 3461 §4.1, upper case.")
    route = models.CharField(max_length=6, choices=Route.choices)
    # A hint, as the numbers in the ledger are: an index to set it free by, when the account goes,
    # would be paid for with every delivery.
    account = models.ForeignKey(
        "accounts.User",
        null=True,
        on_delete=models.DO_NOTHING,
        db_index=False,
        db_constraint=False,
        related_name="+",
        help_text="Whose mailbox it is for; stays when the account is deleted.",
    )
    ledger_domain = models.ForeignKey(
        "domains.Domain",
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
        help_text="Whose ledger it counts in: the mailbox's domain, or the sender's for remote.",
    )
    destination = models.CharField(
        max_length=253, blank=True, help_text="Remote: the domain whose servers receive."
    )
    priority = models.PositiveSmallIntegerField(default=5)
    is_forced = models.BooleanField(default=False)
    state = models.PositiveSmallIntegerField(choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    due_at = MomentField(
        null=True, help_text="The next try; while claimed: when the claim lapses; None: ended."
    )
    claimed_by = models.BigIntegerField(null=True, help_text="The process that works on it.")
    claimed_until = MomentField(null=True, help_text="When the claim lapses by itself.")
    throttle_hour = models.PositiveIntegerField(
        null=True, help_text="While claimed: the hour of its sender's allowance it is reserved in."
    )
    throttle_bytes = models.PositiveBigIntegerField(null=True, help_text="Reserved with it.")
    reply = models.TextField(blank=True, help_text="The last words about it, ours or the other's.")
    ended_at = MomentField(null=True)
    folder_id = models.BigIntegerField(null=True, help_text="Delivered: the folder.")
    uid = models.BigIntegerField(null=True, help_text="Delivered: the UID.")
    hold_reason = models.CharField(
        max_length=200, db_default="", help_text="Why an operator or a rule holds it; empty: free."
    )
    hold_rule = models.BigIntegerField(null=True, help_text="The HoldRule that holds it.")
    quarantined_until = MomentField(
        null=True, help_text="When it is removed from quarantine (S-060); None: it is not there."
    )
    patience_left = models.BigIntegerField(
        null=True, help_text="In quarantine: microseconds that it may be tried after its release."
    )
    via = models.CharField(
        max_length=300,
        db_default="",
        help_text="The way an operator chose: spool.ways.Way; empty: by the rules.",
    )
    return_path = models.CharField(
        max_length=330,
        db_default="",
        help_text="Under which sender it leaves, where each recipient has one of his own (VERP);"
        " empty: under the message's.",
    )
    place = models.CharField(
        max_length=60,
        db_default="",
        help_text="Where in its mailbox it goes: spool.placing.Placing; empty: the Inbox.",
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["is_forced", "priority", "due_at"],
                condition=Q(state__lt=State.DELIVERED) & Q(due_at__isnull=False),
                name="recipient_due",
            ),
            models.Index(
                fields=["destination", "due_at"],
                condition=Q(state__lt=State.DELIVERED) & Q(due_at__isnull=False),
                name="recipient_destination",
            ),
            models.Index(
                fields=["ledger_domain", "priority"],
                condition=Q(state=State.THROTTLED),
                name="recipient_throttled",
            ),
            # Which domains have mail of a priority is seen without reading all of it.
            models.Index(
                fields=["priority", "ledger_domain", "due_at"],
                condition=Q(state__lt=State.DELIVERED) & Q(due_at__isnull=False),
                name="recipient_turn",
            ),
            models.Index(fields=["address"], name="recipient_address"),
            models.Index(
                fields=["destination"],
                condition=Q(state__lt=State.DELIVERED) & Q(due_at=None),
                name="recipient_held",
            ),
            models.Index(
                fields=["hold_rule"], condition=Q(hold_rule__isnull=False), name="recipient_rule"
            ),
            models.Index(
                fields=["quarantined_until"],
                condition=Q(state__lt=State.DELIVERED) & Q(quarantined_until__isnull=False),
                name="recipient_quarantine",
            ),
            # What is in delivery at this moment: a few hundred at most, so that it costs a claim
            # about a microsecond, and the list of what waits need not look at each recipient.
            models.Index(
                fields=["message"],
                condition=Q(claimed_by__isnull=False),
                name="recipient_in_delivery",
            ),
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def is_quarantined(self) -> bool:
        return self.state == State.HELD and self.quarantined_until is not None

    @property
    def was_removed(self) -> bool:
        """Whether it ended in quarantine by itself, and not by somebody's hand."""
        return self.state == State.DELETED and self.reply == REMOVED


class DeliveryAttempt(models.Model):
    """One try and its outcome. That a try is under way stands in the recipient's row before it is
    made (`attempts`, `claimed_by`); `outcome` empty: the process died in it."""

    class Outcome(models.TextChoices):
        DELIVERED = "delivered", "Delivered"
        DEFERRED = "deferred", "Deferred"
        FAILED = "failed", "Failed"

    id = models.BigIntegerField(primary_key=True)
    recipient = models.ForeignKey(SpooledRecipient, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    started_at = MomentField()
    finished_at = MomentField(null=True)
    outcome = models.CharField(max_length=9, choices=Outcome.choices, blank=True)
    host = models.CharField(max_length=255, blank=True)
    host_address = models.CharField(max_length=60, blank=True)
    tls = models.CharField(max_length=60, blank=True, help_text="Version and cipher; empty: none.")
    reply_code = models.PositiveSmallIntegerField(null=True)
    enhanced_code = models.CharField(max_length=12, blank=True)
    reply = models.TextField(blank=True)
    traceback = models.TextField(blank=True, help_text="A fault of ours; never shown to strangers.")

    def __str__(self) -> str:
        return f"attempt {self.number}"


class TraceEntry(models.Model):
    """A decision about a message taken after it was accepted, with the numbers that decided."""

    id = models.BigIntegerField(primary_key=True)
    message = models.ForeignKey(SpooledMessage, on_delete=models.CASCADE, related_name="entries")
    recipient = models.ForeignKey(
        SpooledRecipient, null=True, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    at = MomentField()
    actor = models.CharField(max_length=100, help_text="Which rule, limit, agent or person.")
    decision = models.CharField(max_length=40)
    detail = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "trace entries"
        # Each recipient whose trace is forgotten is looked for here.
        indexes = [
            models.Index(
                fields=["recipient"],
                condition=Q(recipient__isnull=False),
                name="trace_entry_recipient",
            ),
        ]

    def __str__(self) -> str:
        return self.decision


class RefusedMail(models.Model):
    """Mail that was not accepted: who, when and why, for "my mail never arrived"."""

    id = models.BigIntegerField(primary_key=True)
    at = MomentField()
    client_address = models.CharField(max_length=45)
    client_name = models.CharField(max_length=255, blank=True)
    sender = models.CharField(max_length=330, blank=True)
    recipient = models.CharField(max_length=330, blank=True)
    reply = models.CharField(max_length=500)

    class Meta:
        verbose_name_plural = "refused mail"
        indexes = [
            models.Index(fields=["recipient"], name="refused_recipient"),
            models.Index(fields=["sender"], name="refused_sender"),
        ]

    def __str__(self) -> str:
        return self.reply
