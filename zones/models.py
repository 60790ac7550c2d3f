"""What the last check of each domain's records found, and its own MTA-STS policy."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from clock.fields import MomentField
from zones.findings import Level


class ZoneCheck(models.Model):
    """The newest check of one domain (G-032). Without row: it was never checked."""

    domain = models.OneToOneField(
        "domains.Domain", on_delete=models.CASCADE, primary_key=True, related_name="zone_check"
    )
    checked_at = MomentField()
    level = models.CharField(
        max_length=7, choices=[(level.value, level.value) for level in Level], default=Level.OK
    )
    findings = models.JSONField(
        default=list, help_text="A list of check, level and text each, in the order of a page."
    )
    broken = models.JSONField(
        default=list, help_text="Checks in error, which are no news any more when found again."
    )
    untold = models.JSONField(
        default=list, help_text="Of these, what the administrators are still to be told of."
    )
    untold_at = MomentField(
        null=True, help_text="When they were last found so; None: there is nothing to tell."
    )

    class Meta:
        indexes = [
            models.Index(fields=["checked_at"], name="zone_check_at"),
            models.Index(
                fields=["untold_at"],
                condition=models.Q(untold_at__isnull=False),
                name="zone_check_untold",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.domain_id}: {self.level}"


class StsMode(models.TextChoices):
    """What others shall do who cannot bring the domain's mail safely (RFC 8461 §5)."""

    OFF = "off", "No policy"
    TESTING = "testing", "Report it, and bring the mail all the same"
    ENFORCE = "enforce", "Keep the mail until it is safe"


class PublishedPolicy(models.Model):
    """The MTA-STS policy that is served for one hosted domain. Without row: the defaults."""

    domain = models.OneToOneField(
        "domains.Domain", on_delete=models.CASCADE, primary_key=True, related_name="sts_policy"
    )
    mode = models.CharField(max_length=7, choices=StsMode.choices, default=StsMode.TESTING)
    more_hosts = models.CharField(
        max_length=1000,
        blank=True,
        help_text="Other servers among its MX, such as a backup; separated by commas.",
    )
    max_age_seconds = models.PositiveIntegerField(
        default=7 * 24 * 3600,
        validators=[MinValueValidator(3600), MaxValueValidator(31_557_600)],
        help_text="How long others may remember it.",
    )

    class Meta:
        verbose_name = "published MTA-STS policy"
        verbose_name_plural = "published MTA-STS policies"

    def __str__(self) -> str:
        return f"{self.domain}: {self.mode}"
