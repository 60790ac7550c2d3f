"""The ledger: how many recipients were accepted, and how each of them ended."""

from __future__ import annotations

from django.db import models


class LedgerCounts(models.Model):
    """Recipients: accepted = all the ends + what is still in the spool."""

    accepted = models.PositiveBigIntegerField(default=0)
    delivered = models.PositiveBigIntegerField(default=0)
    relayed = models.PositiveBigIntegerField(default=0)
    bounced = models.PositiveBigIntegerField(default=0)
    expired = models.PositiveBigIntegerField(default=0)
    discarded = models.PositiveBigIntegerField(default=0)
    deleted = models.PositiveBigIntegerField(default=0)

    class Meta:
        abstract = True


class LedgerHour(LedgerCounts):
    """What was accepted and how it ended, by domain and hour.

    `accepted` counts in the hour of acceptance, an end in the hour it happened.
    """

    domain_id = models.BigIntegerField(help_text="0: no domain of ours; kept when one is deleted.")
    hour = models.PositiveIntegerField(
        help_text="Whole hours since 1970, UTC; 0: all that are older than the ledger keeps."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["domain_id", "hour"], name="ledger_domain_hour"),
        ]
        # For the hours of all domains; counting changes no hour, so it costs nothing there.
        indexes = [models.Index(fields=["hour"], name="ledger_hour")]

    def __str__(self) -> str:
        return f"{self.domain_id}/{self.hour}"


class LedgerTotal(LedgerCounts):
    """The ledger of all domains before one hour, added up; one row, whose key is 1."""

    before_hour = models.PositiveIntegerField(
        default=0,
        help_text="Whole hours since 1970; what this one and later ones brought is not in.",
    )

    def __str__(self) -> str:
        return f"before {self.before_hour}"


class LedgerDomainTotal(LedgerCounts):
    """The same by domain: what each had in the hours that LedgerTotal has."""

    domain_id = models.BigIntegerField(
        primary_key=True, help_text="0: no domain of ours; kept when one is deleted."
    )

    def __str__(self) -> str:
        return f"{self.domain_id}"
