"""The record of a job: who asked for what, how far it is, and how it ended (X-007)."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class State(models.TextChoices):
    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ENDED = (State.DONE, State.FAILED, State.CANCELLED)


class Job(models.Model):
    """One piece of long work. The row is the truth: a queue only tells a worker to look."""

    kind = models.CharField(max_length=60)
    arguments = models.JSONField(default=dict)
    actor_id = models.BigIntegerField(null=True, help_text="Who asked; None: the server itself.")
    actor = models.CharField(max_length=320)
    impersonator_id = models.BigIntegerField(
        null=True, help_text="Who really asked, logged in as the actor; None: the actor himself."
    )
    impersonator = models.CharField(max_length=320, blank=True)
    domain_id = models.BigIntegerField(
        null=True, help_text="Whose administrators may see it; None: the system's only."
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    done = models.PositiveBigIntegerField(default=0, help_text="Steps that are done.")
    total = models.PositiveBigIntegerField(null=True, help_text="Of how many; None: not known.")
    words = models.CharField(max_length=300, blank=True, help_text="What it is doing.")
    notes = models.JSONField(default=list, help_text="The job's log: [time, words] of each line.")
    kept = models.JSONField(null=True, help_text="What it needs to go on after an interruption.")
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)
    cancel_requested = models.BooleanField(default=False)
    runs = models.PositiveSmallIntegerField(default=0, help_text="How often it was begun.")
    worker = models.CharField(max_length=60, blank=True, help_text="Who has it now.")
    created_at = MomentField()
    started_at = MomentField(null=True)
    seen_at = MomentField(null=True, help_text="When its worker last said that it lives.")
    finished_at = MomentField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(state__in=["queued", "running"]),
                name="job_unfinished",
            ),
            models.Index(fields=["domain_id", "id"], name="job_domain"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def percent(self) -> int | None:
        """None where the whole is not known."""
        if self.state == State.DONE:
            return 100
        if not self.total:
            return None
        return min(100, self.done * 100 // self.total)
