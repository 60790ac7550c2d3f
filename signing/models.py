"""The keys that mail of a hosted name is signed with."""

from __future__ import annotations

from django.db import models

from accounts.secrets import SealedField
from clock.fields import MomentField


class Algorithm(models.TextChoices):
    """RFC 8301, RFC 8463."""

    RSA = "rsa", "RSA, 2048 bits"
    ED25519 = "ed25519", "Ed25519"


class SigningKey(models.Model):
    """One key of one name of a domain. It signs from `published_at` to `retired_at` (F-040)."""

    domain = models.ForeignKey(
        "domains.Domain", on_delete=models.CASCADE, related_name="signing_keys"
    )
    name = models.CharField(max_length=253, help_text="The domain's own name, or an alias.")
    selector = models.CharField(max_length=63)
    algorithm = models.CharField(max_length=7, choices=Algorithm.choices)
    public_key = models.CharField(max_length=1000, help_text="As the record has it (p=).")
    private_key = SealedField(
        purpose="dkim key",
        max_length=4000,
        editable=False,
        help_text="Encrypted with the server key; empty: erased.",
    )
    created_at = MomentField(editable=False)
    published_at = MomentField(
        null=True, editable=False, help_text="When its record was first seen in DNS."
    )
    retired_at = MomentField(null=True, editable=False)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["name", "selector"], name="signing_key_selector"),
        ]

    def __str__(self) -> str:
        return self.record_name

    @property
    def record_name(self) -> str:
        """Where its TXT record stands. RFC 6376 §3.6.2.1."""
        return f"{self.selector}._domainkey.{self.name}"

    @property
    def record(self) -> str:
        """What the TXT record says. RFC 6376 §3.6.1."""
        return f"v=DKIM1; k={self.algorithm}; p={self.public_key}"

    @property
    def state(self) -> str:
        if self.retired_at is not None:
            return "retired"
        return "signing" if self.published_at is not None else "waiting"
