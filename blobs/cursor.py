"""The cursor of a group's transaction: the driver's own, without what Django adds to each call."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Any

_MARK = re.compile(r"(?<!%)%s")


@contextmanager
def bare_cursor(connection: Any) -> Iterator[Any]:
    """Statements with %s as everywhere; Django's exceptions from the end of the block on.

    Inside of it the driver's own exceptions come. Django's cursor costs more than most of the
    statements of a group: it looks after errors and hooks at each call, and for SQLite it puts
    question marks into the same texts again and again.
    """
    if connection.queries_logged:  # somebody counts or reads them
        with connection.cursor() as cursor:
            yield cursor
        return
    connection.ensure_connection()
    with connection.wrap_database_errors, closing(_open(connection)) as cursor:
        yield cursor


def _open(connection: Any) -> Any:
    if connection.vendor == "sqlite":
        return connection.connection.cursor(factory=_Cursor)
    return connection.create_cursor()


class _Cursor(sqlite3.Cursor):
    """Takes %s for SQLite's question mark."""

    def execute(self, statement: str, values: Sequence[Any] | None = None, /) -> _Cursor:  # type: ignore[override]
        if values is None:
            return super().execute(statement)
        return super().execute(_with_question_marks(statement), values)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> _Cursor:  # type: ignore[override]
        return super().executemany(_with_question_marks(statement), rows)


@lru_cache(maxsize=512)
def _with_question_marks(statement: str) -> str:
    return _MARK.sub("?", statement).replace("%%", "%")
