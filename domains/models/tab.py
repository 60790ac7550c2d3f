"""What all tabs of the domain page have in common."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Tab(models.Model):
    """One row for each domain: one tab = one model = one form = one serializer."""

    domain = models.OneToOneField(
        "domains.Domain", on_delete=models.CASCADE, primary_key=True, related_name="%(class)s"
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} of {self.domain}"


def switch(default: bool, help_text: str, **options: Any) -> models.BooleanField[Any, Any]:
    """An on/off setting."""
    return models.BooleanField(default=default, help_text=help_text, **options)


def ceiling(default: int, help_text: str, **options: Any) -> models.PositiveIntegerField[Any, Any]:
    """A limit; 0 means that there is none (D-080)."""
    return models.PositiveIntegerField(
        default=default, help_text=f"{help_text} 0 means no limit.", **options
    )


def port(default: int, help_text: str) -> models.PositiveIntegerField[Any, Any]:
    """A TCP port. The installation's port offset is added to it."""
    return models.PositiveIntegerField(
        default=default,
        help_text=help_text,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
    )


def priority(help_text: str) -> models.PositiveSmallIntegerField[Any, Any]:
    """A delivery priority, 1 (leaves last) to 10 (leaves first). P-001."""
    return models.PositiveSmallIntegerField(
        default=5, help_text=help_text, validators=[MinValueValidator(1), MaxValueValidator(10)]
    )
