"""What was sent in each hour by whoever is limited, and when a limit was reached."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class ThrottleHour(models.Model):
    """Counts of one hour. `*_before`: used before the latest release, which began anew."""

    kind = models.CharField(max_length=6, help_text="user, domain or list.")
    key_id = models.BigIntegerField(help_text="Kept when whoever it was is deleted.")
    hour = models.PositiveIntegerField(help_text="Whole hours since 1970, UTC.")
    messages = models.BigIntegerField(default=0, db_default=0, help_text="Sent or being sent.")
    sent_bytes = models.BigIntegerField(default=0, db_default=0)
    bounces = models.BigIntegerField(default=0, db_default=0, help_text="Reports received.")
    own_bounces = models.BigIntegerField(
        default=0, db_default=0, help_text="Of these, about mail that was really sent."
    )
    messages_before = models.BigIntegerField(default=0, db_default=0)
    sent_bytes_before = models.BigIntegerField(default=0, db_default=0)
    bounces_before = models.BigIntegerField(default=0, db_default=0)
    own_bounces_before = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "key_id", "hour"], name="throttle_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key_id}/{self.hour}"


class ThrottleCrossing(models.Model):
    """A limit reached, once for each reason and hour (T-014)."""

    kind = models.CharField(max_length=6)
    key_id = models.BigIntegerField()
    hour = models.PositiveIntegerField()
    reason = models.CharField(max_length=9, help_text="messages, bandwidth or bounces.")
    domain_id = models.BigIntegerField(help_text="Whose administrator is told.")
    who = models.CharField(max_length=330, help_text="The address or the domain's name, copied.")
    used = models.BigIntegerField()
    allowed = models.BigIntegerField()
    at = MomentField()
    ended_at = MomentField(null=True, help_text="Released, or room again, before the hour ended.")
    warned_at = MomentField(null=True, help_text="When the domain's administrator was written to.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key_id", "hour", "reason"], name="throttle_crossing"
            ),
        ]
        indexes = [models.Index(fields=["hour"], name="throttle_crossing_hour")]

    def __str__(self) -> str:
        return f"{self.who}: {self.reason}"
