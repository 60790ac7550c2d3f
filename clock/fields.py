"""A model field for moments that raw cursors compare and sort as plain integers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models

from clock.moments import from_micros, to_micros

if TYPE_CHECKING:

    class _Base(models.BigIntegerField[Any, Any]):
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any
        _pyi_lookup_exact_type: Any
else:
    _Base = models.BigIntegerField


class MomentField(_Base):
    """An aware UTC datetime in Python, whole microseconds since 1970 in the database.

    The same bytes on SQLite and PostgreSQL, so hot paths that go round the ORM stay portable.
    """

    description = "Moment (UTC)"

    def from_db_value(self, value: int | None, expression: Any, connection: Any) -> datetime | None:
        return None if value is None else from_micros(value)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, int):
            return from_micros(value)
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return value

    def get_prep_value(self, value: Any) -> Any:
        return to_micros(value) if isinstance(value, datetime) else super().get_prep_value(value)

    def formfield(self, **kwargs: Any) -> Any:
        return super(models.BigIntegerField, self).formfield(
            **{"form_class": forms.DateTimeField, **kwargs}
        )
