"""Addresses that domains listen on and that their machine has not."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class LostAddress(models.Model):
    """Its domains listen on all addresses until it is back (D-033)."""

    address = models.GenericIPAddressField()
    node = models.PositiveSmallIntegerField(help_text="The machine that has not got it.")
    since = MomentField(editable=False)

    class Meta:
        verbose_name_plural = "lost addresses"
        ordering = ["address", "node"]
        constraints = [
            models.UniqueConstraint(fields=["address", "node"], name="lost_address_of_node"),
        ]

    def __str__(self) -> str:
        return self.address
