"""What was written to many users at once, and the reminders that each of them has yet to see."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from clock.fields import MomentField


class Audience(models.TextChoices):
    """To whom (B-004…B-007)."""

    ALL = "all", "All users"
    DOMAIN = "domain", "All users on a domain"
    ADMINISTRATORS = "admins", "All domain administrators"
    USER = "user", "A specific user"


class State(models.TextChoices):
    SENDING = "sending", "Sending"
    PAUSED = "paused", "Paused"
    CANCELLED = "cancelled", "Cancelled"
    DONE = "done", "Done"


class Sending(models.Model):
    """A mail or a reminder to an audience; it goes through the users by their keys."""

    audience = models.CharField(max_length=6, choices=Audience.choices)
    of = models.CharField(max_length=330, blank=True, help_text="The domain or the address.")
    subject = models.CharField(max_length=200)
    actor_id = models.BigIntegerField(null=True)
    actor = models.CharField(max_length=320)
    job_id = models.BigIntegerField(null=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.SENDING)
    total = models.PositiveIntegerField(default=0)
    sent = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    notes = models.JSONField(default=list, help_text="[address, reason] of the first that failed.")
    last_account = models.BigIntegerField(default=0, help_text="All users up to it are done.")
    created_at = MomentField()
    finished_at = MomentField(null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.subject


class MassMail(Sending):
    author_name = models.CharField(max_length=100)
    reply_to = models.CharField(max_length=320, blank=True)
    text = models.TextField()
    is_html = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "mass mail"
        ordering = ["-id"]


class Reminder(Sending):
    """`notes` lists users who cannot log in to the web."""

    text = models.TextField()
    also_by_mail = models.BooleanField(
        default=False, help_text="Write to those who cannot log in to the web."
    )
    expires_at = MomentField()

    class Meta:
        ordering = ["-id"]


class ReminderOfUser(models.Model):
    """One reminder for one user, as long as it is to be shown."""

    reminder = models.ForeignKey(Reminder, on_delete=models.CASCADE, related_name="shown_to")
    account = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    show_at = MomentField(help_text="Later if it was put off.")
    dismissed_at = MomentField(null=True)

    class Meta:
        verbose_name_plural = "reminders of users"
        constraints = [
            models.UniqueConstraint(fields=["reminder", "account"], name="reminder_of_user")
        ]
        indexes = [
            models.Index(
                fields=["account", "show_at"], condition=Q(dismissed_at=None), name="reminder_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reminder_id} for {self.account_id}"
