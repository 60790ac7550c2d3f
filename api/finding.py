"""One row by its key: what is not among the rows in sight does not exist."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

from api.errors import NotFound

M = TypeVar("M", bound=Model)

LARGEST_KEY = 2**63 - 1


def one(rows: QuerySet[M], key: int) -> M:
    """Raises NotFound."""
    row = rows.filter(pk=key).first() if key <= LARGEST_KEY else None
    if row is None:
        raise NotFound
    return row


def known(key: int) -> int:
    """The key, if a database can hold it. Raises NotFound."""
    if key > LARGEST_KEY:
        raise NotFound
    return key
