"""What is logged, and whose dialogue is being recorded."""

from __future__ import annotations

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from clock.fields import MomentField


class LogSettings(models.Model):
    """The settings of all logs (M-088). One row."""

    detailed = models.JSONField(
        default=list, blank=True, help_text="Logs that have every command as well."
    )
    switched_off = models.JSONField(
        default=list, blank=True, help_text="Logs that are not written; the others are normal."
    )
    keep_days = models.PositiveIntegerField(
        default=30, validators=[MaxValueValidator(3650)], help_text="0: for ever."
    )
    compress = models.BooleanField(default=True, help_text="Compress logs after a day.")
    syslog = models.BooleanField(
        default=False, help_text="Also send each line to the system's log (RFC 5424)."
    )

    class Meta:
        verbose_name = verbose_name_plural = "log settings"

    def __str__(self) -> str:
        return "Log settings"


class Transcript(models.Model):
    """A record of what is said between the server and one user or address, for some minutes."""

    subject = models.CharField(max_length=330, help_text="An address, or a client's IP address.")
    account_id = models.BigIntegerField(null=True, help_text="If the address is a user's.")
    domain_id = models.BigIntegerField(null=True)
    actor = models.CharField(max_length=320)
    started_at = MomentField()
    ends_at = MomentField(help_text="It switches itself off then.")
    stopped_at = MomentField(null=True, help_text="When somebody switched it off.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["ends_at"], condition=Q(stopped_at=None), name="transcript_open")
        ]

    def __str__(self) -> str:
        return f"transcript {self.pk} of {self.subject}"
