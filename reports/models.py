"""Statistics by hour and day, and the reports that are mailed on a schedule."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.inactivity import Period
from clock.fields import MomentField

NUMBERS = (
    "received", "received_bytes", "sent", "sent_bytes", "refused", "bounced", "throttled",
    "logins", "connections", "blocks",
)  # fmt: skip


class Counts(models.Model):
    """What one span of time brought: of a user, of a domain, or of the whole server.

    Domain and account 0: the whole server; account 0: the whole domain. Keys without constraints:
    numbers outlive what they count.
    """

    domain_id = models.BigIntegerField(help_text="0: the server, or an account without a domain.")
    account_id = models.BigIntegerField(help_text="0: the domain, or the whole server.")
    received = models.PositiveBigIntegerField(default=0, help_text="Copies put into mailboxes.")
    received_bytes = models.PositiveBigIntegerField(default=0)
    sent = models.PositiveBigIntegerField(default=0, help_text="Messages handed in by users.")
    sent_bytes = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0, help_text="Mail that was not accepted.")
    bounced = models.PositiveBigIntegerField(
        default=0, help_text="Recipients of sent mail that could not be reached."
    )
    throttled = models.PositiveBigIntegerField(default=0, help_text="Times a limit was reached.")
    logins = models.PositiveBigIntegerField(default=0)
    connections = models.PositiveBigIntegerField(default=0, help_text="Of the whole server only.")
    blocks = models.PositiveBigIntegerField(default=0, help_text="Of the whole server only.")
    waiting = models.PositiveBigIntegerField(
        null=True, help_text="The most messages in the spool at once; of the whole server only."
    )

    class Meta:
        abstract = True


class HourCounts(Counts):
    hour = models.PositiveIntegerField(help_text="Whole hours since 1970, UTC.")

    class Meta:
        verbose_name_plural = "hour counts"
        constraints = [
            models.UniqueConstraint(fields=["domain_id", "account_id", "hour"], name="hour_counts")
        ]
        indexes = [models.Index(fields=["hour"], name="hour_counts_hour")]

    def __str__(self) -> str:
        return f"{self.domain_id}/{self.account_id}/{self.hour}"


class DayCounts(Counts):
    day = models.PositiveIntegerField(help_text="Whole days since 1970, UTC.")
    disk_bytes = models.PositiveBigIntegerField(
        null=True, help_text="At the day's last count; None: as on the day before."
    )

    class Meta:
        verbose_name_plural = "day counts"
        constraints = [
            models.UniqueConstraint(fields=["domain_id", "account_id", "day"], name="day_counts")
        ]
        indexes = [models.Index(fields=["day"], name="day_counts_day")]

    def __str__(self) -> str:
        return f"{self.domain_id}/{self.account_id}/{self.day}"


class Kind(models.TextChoices):
    """Every report there is."""

    SYSTEM_VOLUME = "system-volume", "Server: mail volume"
    SYSTEM_QUEUE = "system-queue", "Server: queue"
    SYSTEM_DISK = "system-disk", "Server: disk space by domain"
    SYSTEM_BLOCKS = "system-blocks", "Server: abuse and blocks"
    SYSTEM_INACTIVE = "system-inactive", "Server: inactive users"
    DOMAIN_TRAFFIC = "domain-traffic", "Domain: traffic"
    DOMAIN_USERS = "domain-users", "Domain: busiest users"
    DOMAIN_DISK = "domain-disk", "Domain: disk space over time"
    DOMAIN_THROTTLING = "domain-throttling", "Domain: throttling"
    DOMAIN_INACTIVE = "domain-inactive", "Domain: inactive users"
    USER_ACTIVITY = "user-activity", "User: mail and log-ins"
    USER_FOLDERS = "user-folders", "User: space by folder"


class Rhythm(models.TextChoices):
    ONCE = "once", "Once, now"
    DAILY = "daily", "Every day"
    WEEKLY = "weekly", "Every Monday"
    MONTHLY = "monthly", "On the first of every month"


class Schedule(models.Model):
    """A report that is mailed, once or again and again (R-020)."""

    kind = models.CharField(max_length=20, choices=Kind.choices, help_text="What is reported.")
    domain = models.ForeignKey(
        "domains.Domain", null=True, on_delete=models.CASCADE, related_name="+",
        help_text="Reports of the server have none.",
    )  # fmt: skip
    account = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.CASCADE, related_name="+",
        help_text="Whom a user's report is about.",
    )  # fmt: skip
    owner = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.SET_NULL, related_name="+",
        help_text="With whose rights it is made; without him nothing is sent.",
    )  # fmt: skip
    rhythm = models.CharField(
        max_length=7, choices=Rhythm.choices, default=Rhythm.WEEKLY,
        help_text="When it is sent: it is about the day, the week or the month before.",
    )  # fmt: skip
    hour = models.PositiveSmallIntegerField(
        default=6, validators=[MaxValueValidator(23)],
        help_text="The hour of the day, UTC, at which it is sent.",
    )  # fmt: skip
    days = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1), MaxValueValidator(400)],
        help_text="How many days a report that is sent once looks back.",
    )  # fmt: skip
    inactive = models.CharField(
        max_length=3, choices=[(one.value, one.value) for one in Period], default=Period.DAYS_90,
        help_text="For reports on inactive users: for how long nobody has logged in.",
    )  # fmt: skip
    addresses = models.JSONField(default=list, help_text="Each gets a message of his own.")
    is_paused = models.BooleanField(default=False, help_text="Nothing is sent until it goes on.")
    next_at = MomentField(null=True, help_text="None: it was sent once, and that was it.")
    created_at = MomentField()
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=Q(is_paused=False, next_at__isnull=False),
                name="schedule_due",
            )
        ]

    def __str__(self) -> str:
        about = self.account or self.domain
        return f"{self.get_kind_display()}{f' of {about}' if about else ''}"


class Run(models.Model):
    """One time that a report was due: written before it is sent, so that none is lost."""

    class State(models.TextChoices):
        PENDING = "pending", "To be sent"
        SENT = "sent", "Sent"
        SKIPPED = "skipped", "Skipped"
        FAILED = "failed", "Failed"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs")
    due_at = MomentField()
    first = models.DateField()
    last = models.DateField()
    state = models.CharField(max_length=7, choices=State.choices, default=State.PENDING)
    claimed_until = MomentField(null=True, help_text="Until then one process works on it.")
    note = models.CharField(max_length=500, blank=True, help_text="Why not, or to whom not.")
    finished_at = MomentField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="run_of_schedule")
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="pending"), name="run_pending"),
        ]

    def __str__(self) -> str:
        return f"{self.schedule} {self.due_at:%Y-%m-%d}"
