"""The database connections of threads that answer one question after the other."""

from __future__ import annotations

from django.db import connections


def renew() -> None:
    """Drop connections that the server has dropped, or that are old enough (CONN_MAX_AGE).

    A connection to SQLite does not age: its file would be opened, and its schema read, anew for
    each question.
    """
    for connection in connections.all(initialized_only=True):
        if connection.vendor != "sqlite" or connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
