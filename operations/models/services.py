"""Which services are to run, and how they stand in each process."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from clock.fields import MomentField
from operations.models.connections import Process


class Service(models.TextChoices):
    """The services of the Services page (M-011…M-017)."""

    SMTP = "smtp", "SMTP"
    POP = "pop", "POP"
    IMAP = "imap", "IMAP"
    LDAP = "ldap", "LDAP"
    POP_RETRIEVAL = "pop_retrieval", "POP retrieval"
    IMAP_RETRIEVAL = "imap_retrieval", "IMAP retrieval"
    SPOOL = "spool", "Spool"


class ActualState(models.TextChoices):
    """From the worst, as a page shows several processes in one line."""

    FAILING = "failing", "Failing"
    STARTING = "starting", "Starting"
    DRAINING = "draining", "Draining"
    RUNNING = "running", "Running"
    STOPPED = "stopped", "Stopped"


class ServiceState(models.Model):
    """Whether a service is to run (M-001, M-010). No row: it is."""

    service = models.CharField(max_length=20, choices=Service.choices)
    node = models.PositiveSmallIntegerField(
        null=True, help_text="None: on all machines that have no row of their own."
    )
    is_wanted = models.BooleanField()
    changed_at = MomentField(editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["service", "node"], name="service_on_node"),
            models.UniqueConstraint(
                fields=["service"], condition=Q(node=None), name="service_everywhere"
            ),
        ]

    def __str__(self) -> str:
        where = "" if self.node is None else f" on node {self.node}"
        return f"{self.get_service_display()}{where}"


class ServiceReport(models.Model):
    """What a process says of one of its services (M-003)."""

    process = models.ForeignKey(Process, on_delete=models.CASCADE, related_name="reports")
    service = models.CharField(max_length=20, choices=Service.choices)
    state = models.CharField(max_length=10, choices=ActualState.choices)
    reason = models.CharField(max_length=300, blank=True)
    sessions = models.PositiveIntegerField(default=0)
    is_wanted = models.BooleanField(help_text="What the process has been told.")
    followed_at = MomentField(null=True, help_text="The last wish that it has carried out.")
    seen_at = MomentField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["process", "service"], name="report_of_process")
        ]

    def __str__(self) -> str:
        return f"{self.service} {self.state}"
