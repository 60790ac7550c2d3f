"""Conditions that an index answers, on either database."""

from __future__ import annotations

from django.db import connection
from django.db.models import Q

_LAST_CHARACTER = "\U0010ffff"


def begins_with(field: str, text: str) -> Q:
    """Rows whose `field` begins with `text`, upper and lower case apart.

    SQLite uses no index for the LIKE that Django writes. PostgreSQL does if the index has
    `varchar_pattern_ops`, but sorts by the rules of a language, where a range would be another.
    """
    if connection.vendor == "sqlite":
        return Q(**{f"{field}__gte": text, f"{field}__lt": text + _LAST_CHARACTER})
    return Q(**{f"{field}__startswith": text})
