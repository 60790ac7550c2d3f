"""Policies of other domains, an operator's exceptions from them, and what came of it all."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class Level(models.TextChoices):
    """What an operator wants of sessions with a destination, whatever its own policies say."""

    NONE = "none", "Never encrypted"
    OPPORTUNISTIC = "opportunistic", "Encrypted if possible"
    REQUIRED = "required", "Encrypted, whatever the certificate"
    VERIFIED = "verified", "Encrypted, with a certificate that is verified"


class DaneUse(models.TextChoices):
    """When the name servers' word on DNSSEC is believed."""

    LOOPBACK = "loopback", "If the name server runs on this machine"
    ALWAYS = "always", "Always: the way to the name servers is safe"
    NEVER = "never", "Never: no DANE"


class TlsPolicyOverride(models.Model):
    """One destination whose policies the operator knows better."""

    destination = models.CharField(
        max_length=253, unique=True, help_text="A domain, or .domain for all below it."
    )
    level = models.CharField(max_length=13, choices=Level.choices, default=Level.OPPORTUNISTIC)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["destination"]
        verbose_name = "TLS policy override"

    def __str__(self) -> str:
        return self.destination


class TransportSettings(models.Model):
    """The one row has the key 1; no row: the defaults."""

    use_mta_sts = models.BooleanField(
        default=True, help_text="Obey the MTA-STS policies of other domains."
    )
    use_dane = models.CharField(
        max_length=8,
        choices=DaneUse.choices,
        default=DaneUse.LOOPBACK,
        help_text="Obey TLSA records that DNSSEC proves.",
    )
    send_reports = models.BooleanField(
        default=True, help_text="Send daily reports on TLS to the domains that ask for them."
    )
    report_contact = models.CharField(
        max_length=254,
        blank=True,
        help_text="Whom the reports name as contact; empty: postmaster of this server.",
    )

    class Meta:
        verbose_name = verbose_name_plural = "transport settings"

    def __str__(self) -> str:
        return "transport settings"


class StsPolicy(models.Model):
    """The MTA-STS policy of a domain as it was last fetched; used until `expires_at`."""

    domain = models.CharField(max_length=253, primary_key=True)
    policy_id = models.CharField(max_length=32)
    body = models.TextField(help_text="The policy file, in its normal form.")
    fetched_at = MomentField()
    expires_at = MomentField()

    class Meta:
        verbose_name = "MTA-STS policy"
        verbose_name_plural = "MTA-STS policies"
        indexes = [models.Index(fields=["expires_at"], name="sts_policy_expires_at")]

    def __str__(self) -> str:
        return self.domain


class TlsResult(models.Model):
    """How many sessions of a day ended how, for the report to the destination (RFC 8460)."""

    day = models.DateField()
    domain = models.CharField(max_length=253, help_text="The recipients'.")
    policy_type = models.CharField(max_length=16, help_text="tlsa, sts or no-policy-found.")
    policy = models.JSONField(default=list, help_text="The lines of the policy.")
    policy_key = models.CharField(max_length=16, help_text="The start of the policy's digest.")
    host = models.CharField(max_length=253)
    host_address = models.CharField(max_length=45, blank=True)
    problem = models.CharField(max_length=40, blank=True, help_text="Empty: all was well.")
    sessions = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "domain", "policy_type", "policy_key", "host", "host_address",
                        "problem"],
                name="tls_result",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.day} {self.domain} {self.problem or 'fine'}"


class TlsReport(models.Model):
    """A report on one day to one of a domain's addresses for them."""

    day = models.DateField()
    domain = models.CharField(max_length=253)
    uri = models.CharField(max_length=500)
    sent_at = MomentField(null=True, help_text="None: it is being sent, or could not be.")
    taken_until = MomentField(
        null=True, help_text="Until then a process sends it; one that died gives it up so."
    )
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "domain", "uri"], name="tls_report"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.domain}"
