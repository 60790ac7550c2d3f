"""Limits of sessions, and which networks may send without logging in."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class ListenerSettings(models.Model):
    """Limits of sessions (N-007, N-020). The one row has the key 1; no row: the defaults."""

    message_size_mb = models.PositiveIntegerField(
        default=50, help_text="The largest message anybody may hand in."
    )
    sessions_per_protocol = models.PositiveIntegerField(default=10_000)
    sessions_per_address = models.PositiveIntegerField(
        default=100, help_text="From one address; loopback is not counted."
    )
    sessions_per_user = models.PositiveIntegerField(default=100)
    stop_seconds = models.PositiveIntegerField(
        default=60, help_text="How long sessions may go on when their service is stopped (M-008)."
    )
    bad_commands = models.PositiveSmallIntegerField(default=8)
    smtp_idle_seconds = models.PositiveIntegerField(default=300)
    imap_idle_seconds = models.PositiveIntegerField(default=1800)
    pop_idle_seconds = models.PositiveIntegerField(default=600)
    ldap_idle_seconds = models.PositiveIntegerField(default=600)
    disabled_domain_is_temporary = models.BooleanField(
        default=False, help_text="Answer 450 rather than 550 for a disabled domain (D-036)."
    )
    over_quota_is_permanent = models.BooleanField(
        default=False, help_text="Answer 552 rather than 452 for a full mailbox (D-082)."
    )
    check_sender_identity = models.BooleanField(
        default=True, help_text="Users may send as their own addresses only (N-023)."
    )
    check_author_identity = models.BooleanField(
        default=False, help_text="The same for the From: header."
    )
    hide_submitter_address = models.BooleanField(
        default=False, help_text="Leave the sending program's address out of Received (N-024)."
    )

    class Meta:
        verbose_name = verbose_name_plural = "listener settings"

    def __str__(self) -> str:
        return "Listener settings"


class ResolverSettings(models.Model):
    """Which name servers are asked (G-025). The one row has the key 1; no row: the system's."""

    primary = models.CharField(
        max_length=60, blank=True, help_text="An IP address, or address:port; empty: the system's."
    )
    secondary = models.CharField(
        max_length=60, blank=True, help_text="Asked when the first one does not answer."
    )

    class Meta:
        verbose_name = verbose_name_plural = "resolver settings"

    def __str__(self) -> str:
        return "Resolver settings"


class RelayService(models.TextChoices):
    """Where the machines of a network may relay: by what a port is for (D-043, D-044)."""

    SMTP = "smtp", "SMTP, where servers bring mail: port 25"
    SUBMISSION = "submission", "Submission, where all others log in: ports 587 and 465"


def usual_services() -> list[str]:
    return [RelayService.SMTP.value]


class RelayNetwork(models.Model):
    """A network whose machines may send without logging in (G-040)."""

    network = models.CharField(max_length=49, unique=True, help_text="An address or CIDR network.")
    services = models.JSONField(
        default=usual_services, help_text="smtp, submission, or both: elsewhere they must log in."
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = MomentField(editable=False)

    class Meta:
        ordering = ["network"]

    def __str__(self) -> str:
        return self.network
