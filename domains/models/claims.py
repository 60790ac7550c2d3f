"""Further names of domains that wait for a proof, and whether one is asked for (D-101)."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class ClaimedAlias(models.Model):
    """A name that leads nowhere yet: several domains may claim it, who proves it first has it."""

    domain = models.ForeignKey("domains.Domain", on_delete=models.CASCADE, related_name="claims")
    name = models.CharField(max_length=253, help_text="As an A-label.")
    unicode_name = models.CharField(max_length=253)
    token = models.CharField(
        max_length=64, editable=False, help_text="What the TXT record of the name must say."
    )
    claimed_at = MomentField(editable=False)
    lapses_at = MomentField(help_text="Without a proof it is given up then.")
    checked_at = MomentField(null=True, help_text="None: DNS was not asked yet.")
    finding = models.CharField(
        max_length=300, blank=True, help_text="Why the last check did not prove it."
    )

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = "claimed domain alias"
        verbose_name_plural = "claimed domain aliases"
        constraints = [
            models.UniqueConstraint(fields=["domain", "name"], name="claim_of_domain"),
        ]

    def __str__(self) -> str:
        return self.unicode_name


class NameSettings(models.Model):
    """The one row has the key 1; no row: the defaults."""

    aliases_need_proof = models.BooleanField(
        default=False,
        help_text="Domain aliases that customers add work only when a TXT or MX record proves that"
        " the name is theirs, or when the provider approves them.",
    )
    proof_days = models.PositiveSmallIntegerField(
        default=7, help_text="For so many days a proof is waited for: 1 to 90."
    )

    class Meta:
        verbose_name = verbose_name_plural = "settings of names"

    def __str__(self) -> str:
        return "Settings of names"
