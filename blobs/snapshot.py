"""Reading rows as they all were at one moment, while others go on writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

_REPEATABLE = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


@contextmanager
def one_moment() -> Iterator[None]:
    """Nothing may be written inside, and no other transaction be open around it."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "sqlite":
        # Transactions begin as those of writers, one at a time; this one holds nobody up.
        usual, connection.transaction_mode = connection.transaction_mode, "DEFERRED"
        try:
            with transaction.atomic(durable=True):
                yield
        finally:
            connection.transaction_mode = usual
        return
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_REPEATABLE)
        yield
