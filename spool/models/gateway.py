"""Other servers that take our outgoing mail (G-001…G-008)."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Encryption(models.TextChoices):
    """G-004."""

    NONE = "none", "None"
    OPPORTUNISTIC = "opportunistic", "STARTTLS when offered"
    REQUIRED = "required", "STARTTLS required"
    IMPLICIT = "implicit", "TLS from the start"


class Gateway(models.Model):
    """Which mail it takes: by priority, sender and destination (narrower wins, G-005)."""

    name = models.CharField(max_length=100, unique=True)
    is_enabled = models.BooleanField(default=True)
    host = models.CharField(max_length=253, help_text="A host name or an IP address.")
    port = models.PositiveIntegerField(
        default=25, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    use_mx = models.BooleanField(default=False, help_text="Look the name up by MX, not by address.")
    username = models.CharField(max_length=320, blank=True)
    password = models.BinaryField(
        max_length=1000, default=b"", editable=False, help_text="Encrypted with the server key."
    )
    encryption = models.CharField(
        max_length=13, choices=Encryption.choices, default=Encryption.OPPORTUNISTIC
    )
    verify_certificate = models.BooleanField(default=False)
    allow_clear_text_login = models.BooleanField(default=False)
    minimum_priority = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(10)]
    )
    maximum_priority = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(10)]
    )
    sending_domains = models.ManyToManyField(
        "domains.Domain", blank=True, related_name="+", help_text="Empty: any."
    )
    fall_back_to_direct = models.BooleanField(
        default=False, help_text="When it is down, deliver by MX rather than wait."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class GatewayDestination(models.Model):
    """A destination domain the gateway takes; a gateway without any takes all."""

    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, related_name="destinations")
    name = models.CharField(max_length=253, help_text="A domain, or .domain for all below it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "name"], name="gateway_destination"),
        ]

    def __str__(self) -> str:
        return self.name
