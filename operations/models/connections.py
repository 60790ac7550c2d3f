"""Which processes run, and which connections they have open."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class Process(models.Model):
    """A running process that has sessions; it says every few seconds that it lives."""

    id = models.BigIntegerField(primary_key=True)
    node = models.PositiveSmallIntegerField(help_text="MAILHOST_NODE of its machine.")
    pid = models.PositiveIntegerField()
    started_at = MomentField()
    seen_at = MomentField()

    class Meta:
        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return f"{self.node}/{self.pid}"


class Connection(models.Model):
    """A session that is open now, whichever process has it (N-008). Shorter ones never show."""

    id = models.BigIntegerField(primary_key=True)
    process = models.ForeignKey(Process, on_delete=models.CASCADE, related_name="connections")
    service = models.CharField(max_length=10, help_text="smtp, imap, pop or ldap.")
    is_outbound = models.BooleanField(default=False, help_text="Ours, to somebody else's server.")
    client_address = models.CharField(max_length=45, help_text="Of the other side.")
    client_port = models.PositiveIntegerField()
    local_address = models.CharField(max_length=45)
    local_port = models.PositiveIntegerField()
    is_encrypted = models.BooleanField(default=False)
    tls = models.CharField(max_length=80, blank=True, help_text="Version and cipher.")
    peer_name = models.CharField(max_length=255, blank=True, help_text="Host of an outbound one.")
    account_id = models.BigIntegerField(null=True, help_text="None: nobody has logged in.")
    domain_id = models.BigIntegerField(null=True)
    started_at = MomentField()
    logged_in_at = MomentField(null=True)
    bytes_in = models.BigIntegerField(default=0, help_text="As the network counts them, TLS too.")
    bytes_out = models.BigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["account_id"], name="connection_account"),
            models.Index(fields=["client_address"], name="connection_client"),
            models.Index(fields=["service", "is_outbound"], name="connection_service"),
        ]

    def __str__(self) -> str:
        direction = "to" if self.is_outbound else "from"
        return f"{self.service} {direction} {self.client_address}"
