"""What operators did to mail in the spool, so that it can be undone; and standing holds."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class SpoolChange(models.Model):
    """One verb on a selection (S-042)."""

    class Verb(models.TextChoices):
        FORCE = "force", "Forced"
        RESET = "reset", "Retries reset"
        PRIORITY = "priority", "Priority set"
        HOLD = "hold", "Held"
        QUARANTINE = "quarantine", "Quarantined"
        RELEASE = "release", "Released"
        ROUTE = "route", "Route changed"
        DELETE = "delete", "Deleted"

    id = models.BigIntegerField(primary_key=True)
    at = MomentField()
    actor = models.CharField(max_length=320)
    actor_account = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.SET_NULL, db_index=False, related_name="+"
    )
    verb = models.CharField(max_length=10, choices=Verb.choices)
    selection = models.CharField(max_length=500, help_text="In words.")
    parameter = models.CharField(
        max_length=300, blank=True, help_text="The priority, reason or way that was set."
    )
    done = models.PositiveIntegerField(default=0, help_text="Messages.")
    skipped = models.PositiveIntegerField(default=0)
    undo_until = MomentField(null=True, help_text="None: cannot be undone.")
    is_final = models.BooleanField(default=True, help_text="No: a deletion that can be undone.")
    undone_at = MomentField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["actor_account"], name="spool_change_actor"),
            models.Index(
                fields=["undo_until"],
                condition=models.Q(is_final=False),
                name="spool_change_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_verb_display()}: {self.selection}"


class SpoolChangeBatch(models.Model):
    """What was there before, of the messages that one transaction changed."""

    id = models.BigIntegerField(primary_key=True)
    change = models.ForeignKey(SpoolChange, on_delete=models.CASCADE, related_name="batches")
    before = models.JSONField(default=list, help_text="spool.undoing.Before values.")

    class Meta:
        verbose_name_plural = "spool change batches"

    def __str__(self) -> str:
        return f"{self.id}"


class HoldRule(models.Model):
    """Mail that fits is held as long as the rule stands, or put in quarantine for its own time.

    Empty fields fit everything.
    """

    sender = models.CharField(
        max_length=330, blank=True, help_text="An address, or @domain for all of a domain."
    )
    recipient = models.CharField(max_length=330, blank=True, help_text="As the sender.")
    destination = models.CharField(
        max_length=253, blank=True, help_text="A domain elsewhere, or .domain for all below it."
    )
    domain = models.ForeignKey(
        "domains.Domain",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="The domain of ours that causes the mail.",
    )
    reason = models.CharField(max_length=200)
    until = MomentField(null=True, blank=True, help_text="Released then; empty: by hand only.")
    quarantines = models.BooleanField(
        default=False,
        help_text="Put it in quarantine, where it stays also when the rule is removed.",
    )
    created_at = MomentField()

    def __str__(self) -> str:
        return self.reason
