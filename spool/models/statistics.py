"""What the spool's statistics show: measured once a minute, never while a page waits (S-068)."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class SpoolMinute(models.Model):
    """What one minute brought, in recipients, and how much waited at its end; kept for a week."""

    minute = models.PositiveIntegerField(primary_key=True, help_text="Whole minutes since 1970.")
    accepted = models.PositiveIntegerField(default=0)
    ended = models.PositiveIntegerField(default=0, help_text="Delivered, relayed or failed.")
    deferred = models.PositiveIntegerField(default=0, help_text="Tries that must be repeated.")
    messages = models.PositiveIntegerField(null=True, help_text="In the spool; None: not counted.")
    recipients = models.PositiveIntegerField(null=True)
    held = models.PositiveIntegerField(null=True)
    quarantined = models.PositiveIntegerField(null=True, help_text="Of those held.")
    retrying = models.PositiveIntegerField(null=True)
    throttled = models.PositiveIntegerField(null=True)
    oldest_id = models.BigIntegerField(null=True, help_text="The oldest message in the spool.")

    def __str__(self) -> str:
        return f"{self.minute}"


class QueueGroup(models.Model):
    """Recipients that wait for one destination from one domain with one priority."""

    destination = models.CharField(max_length=253, blank=True, help_text="Empty: mailboxes here.")
    domain_id = models.BigIntegerField(help_text="Of ours, whose ledger it counts in; 0: none.")
    priority = models.PositiveSmallIntegerField()
    recipients = models.PositiveIntegerField()
    held = models.PositiveIntegerField(default=0)
    measured_at = MomentField()

    class Meta:
        indexes = [models.Index(fields=["-recipients"], name="queue_group_size")]

    def __str__(self) -> str:
        return f"{self.destination}: {self.recipients}"


class FlowRate(models.Model):
    """How fast mail has left lately: for one destination, or by one host."""

    class Kind(models.TextChoices):
        DESTINATION = "destination", "Destination"
        HOST = "host", "Host"

    kind = models.CharField(max_length=11, choices=Kind.choices)
    name = models.CharField(max_length=255, blank=True)
    ended = models.PositiveIntegerField(help_text="Recipients in the time measured.")
    deferred = models.PositiveIntegerField(default=0)
    try_seconds = models.FloatField(default=0.0, help_text="Mean time of a try.")
    measured_seconds = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "name"], name="flow_rate_name"),
        ]

    def __str__(self) -> str:
        return self.name


class DeliveryLoad(models.Model):
    """What a process delivers at the same time, at most in the last seconds (S-003)."""

    process_id = models.BigIntegerField(primary_key=True)
    remote = models.PositiveIntegerField(help_text="Sessions that work, to other servers.")
    remote_maximum = models.PositiveIntegerField()
    hanging = models.PositiveIntegerField(
        help_text="Sessions that wait for an answer so long that they have given their slot back."
    )
    local = models.PositiveIntegerField(help_text="Deliveries to mailboxes of this server.")
    local_maximum = models.PositiveIntegerField()
    seen_at = MomentField()

    def __str__(self) -> str:
        return f"{self.remote} of {self.remote_maximum}"
