"""How the spool works: one row, changed at run time (S-003, S-046…S-066)."""

from __future__ import annotations

from django.db import models


def standard_waits() -> list[int]:
    """Minutes between attempts; the last one repeats (S-047)."""
    # RFC 5321 §4.5.4.1 wants at least half an hour as a rule; a shorter first step is usual
    # practice and gets mail through greylisting.
    return [15, 30, 60, 90, 120, 240, 480, 720]


class DoubleBounce(models.TextChoices):
    """What becomes of a bounce that cannot be delivered (S-066)."""

    DROP = "drop", "Drop it"
    POSTMASTER = "postmaster", "Send it to the postmaster once"


class SpoolSettings(models.Model):
    """The one row has the key 1; no row: the defaults."""

    maximum_local_deliveries = models.PositiveIntegerField(default=50)
    maximum_remote_deliveries = models.PositiveIntegerField(default=50)
    connections_per_destination = models.PositiveIntegerField(default=10)
    recipients_per_transaction = models.PositiveIntegerField(default=100)
    subspools = models.PositiveSmallIntegerField(default=10, help_text="0 to 100 (S-046).")
    oldest_share_percent = models.PositiveSmallIntegerField(
        default=10, help_text="Of the slots, for the oldest mail of any priority; 0: none (P-003)."
    )
    retry_minutes = models.JSONField(default=standard_waits)
    patience_days = models.PositiveSmallIntegerField(default=5, help_text="1 to 14 (S-048).")
    null_sender_patience_days = models.PositiveSmallIntegerField(default=1)
    delay_notice_hours = models.PositiveSmallIntegerField(default=4, help_text="0: never (S-049).")
    delivery_delay_seconds = models.PositiveIntegerField(default=0, help_text="S-050.")
    maximum_hops = models.PositiveSmallIntegerField(
        default=100, help_text="Received lines (S-056)."
    )
    free_space_floor_mb = models.PositiveIntegerField(default=500, help_text="S-057.")
    free_space_floor_percent = models.PositiveSmallIntegerField(default=5)
    double_bounces = models.CharField(
        max_length=10, choices=DoubleBounce.choices, default=DoubleBounce.POSTMASTER
    )
    postmaster = models.CharField(
        max_length=320, blank=True, help_text="Gets double bounces; empty: they are dropped."
    )
    quarantine_days = models.PositiveSmallIntegerField(default=30, help_text="1 to 30 (S-060).")
    quarantines_spam = models.BooleanField(
        default=False, help_text="What users and relay networks hand in marked as spam (S-060)."
    )
    trace_retention_days = models.PositiveIntegerField(default=30)
    ledger_retention_days = models.PositiveIntegerField(
        default=730, help_text="31 or more; then hours become one sum of each domain."
    )

    class Meta:
        verbose_name = verbose_name_plural = "spool settings"

    def __str__(self) -> str:
        return "Spool settings"
