"""Other servers that take our outgoing mail (G-001…G-008)."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from accounts.secrets import SealedField
from clock.fields import MomentField


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
    password = SealedField(
        purpose="gateway password",
        max_length=1000,
        default=b"",
        editable=False,
        help_text="Encrypted with the server key.",
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
    one_recipient_at_a_time = models.BooleanField(
        default=False,
        help_text="Hand over each message once for every recipient, on the same connection.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class GatewayState(models.Model):
    """How a gateway is doing, as one mail process sees it (G-008); rewritten every few seconds."""

    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, related_name="states")
    process_id = models.BigIntegerField()
    seen_at = MomentField()
    queued = models.PositiveIntegerField(default=0, help_text="Recipients in hand for it.")
    is_down = models.BooleanField(default=False)
    last_error = models.TextField(blank=True)
    last_error_at = MomentField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "process_id"], name="gateway_process"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway_id} by {self.process_id}"


class GatewayHour(models.Model):
    """What a gateway took in an hour, in recipients (G-008)."""

    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, related_name="hours")
    hour = models.PositiveIntegerField(help_text="Whole hours since 1970, UTC.")
    sent = models.PositiveBigIntegerField(default=0)
    deferred = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "hour"], name="gateway_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway_id}/{self.hour}"


class RelayDomain(models.Model):
    """A domain of somebody else's whose mail is taken and passed on: backup MX (G-016)."""

    name = models.CharField(max_length=253, unique=True)
    is_enabled = models.BooleanField(default=True)
    host = models.CharField(
        max_length=253,
        blank=True,
        help_text="Where its mail goes; empty: to the servers that its MX prefers to this one.",
    )
    port = models.PositiveIntegerField(
        default=25, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    verify_recipients = models.BooleanField(
        default=True, help_text="Ask that server about each recipient before taking mail for it."
    )
    one_recipient_at_a_time = models.BooleanField(
        default=False,
        help_text="Hand over each message once for every recipient, on the same connection.",
    )
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SingleDestination(models.Model):
    """A destination that gets each message once for every recipient (S-040)."""

    name = models.CharField(
        max_length=253, unique=True, help_text="A domain, or .domain for all below it."
    )
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "single-recipient destination"

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
