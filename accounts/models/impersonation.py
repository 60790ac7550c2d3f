"""Somebody who is logged in as another, in a window of its own (U-060, U-061)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from clock.fields import MomentField


class Impersonation(models.Model):
    """One window. `slot` is the public part of its addresses, the hashes are of its secrets."""

    slot = models.CharField(max_length=16, unique=True)
    token_hash = models.CharField(max_length=64, editable=False)
    cookie_hash = models.CharField(max_length=64, blank=True, editable=False)
    session_key = models.CharField(max_length=40, blank=True, editable=False)
    by = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    subject = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=200, blank=True)
    is_read_only = models.BooleanField(default=False)
    client_address = models.CharField(max_length=45, blank=True)
    started_at = MomentField(help_text="When it was asked for.")
    entered_at = MomentField(null=True, help_text="None: its window was never opened.")
    seen_at = MomentField(help_text="Its last page, to the minute.")
    ended_at = MomentField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["by", "started_at"],
                condition=Q(ended_at=None),
                name="impersonation_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.by} as {self.subject}"
