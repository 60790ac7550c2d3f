"""How often people came, by hour: counted in memory, added up in batches (R-001)."""

from __future__ import annotations

from django.db import models


class ActivityHour(models.Model):
    """Connections and log-ins of one hour over all processes; kept until reports have them."""

    domain_id = models.BigIntegerField(help_text="0: the account has no domain, or there is none.")
    account_id = models.BigIntegerField(help_text="0: nobody has logged in.")
    service = models.CharField(max_length=10, help_text="smtp, imap, pop or web.")
    hour = models.PositiveIntegerField(help_text="Whole hours since 1970, UTC.")
    connections = models.PositiveBigIntegerField(default=0)
    logins = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "domain_id", "account_id", "service"], name="activity_hour"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}/{self.service}/{self.hour}"
