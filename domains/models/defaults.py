"""What a new domain begins with (D-027)."""

from __future__ import annotations

from django.db import models


class DomainDefaults(models.Model):
    """One row; a setting that `values` lacks has its factory value."""

    values = models.JSONField(
        default=dict, help_text="Tab to field to value, where it is another than the factory's."
    )
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        verbose_name = verbose_name_plural = "defaults for new domains"

    def __str__(self) -> str:
        return "defaults for new domains"
