"""What the last check of each domain's records found."""

from __future__ import annotations

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
        default=list, help_text="Checks in error that the administrators know of."
    )

    class Meta:
        indexes = [models.Index(fields=["checked_at"], name="zone_check_at")]

    def __str__(self) -> str:
        return f"{self.domain_id}: {self.level}"
