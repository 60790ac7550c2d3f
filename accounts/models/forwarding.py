"""Destinations to which nothing is forwarded automatically (G-045)."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class ForwardingBan(models.Model):
    """An entry of the forwarding blacklist: strict receivers blame who forwards spam to them."""

    name = models.CharField(
        max_length=255, unique=True, help_text="A domain, or *.domain for all below it."
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = MomentField(editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "forwarding blacklist entry"
        verbose_name_plural = "forwarding blacklist"

    def __str__(self) -> str:
        return self.name
