"""Emptying the database after a test that has committed: the tables that have rows, no others."""

from __future__ import annotations

from functools import cache

from django.db import connection, transaction

# As the migrations made them: no test changes those.
STAY = {"django_content_type", "auth_permission"}


def empty() -> None:
    """What Django's `flush` does, which truncates every table and fills the two above anew."""
    with connection.cursor() as cursor:
        cursor.execute(_question())
        filled = [name for (name,) in cursor.fetchall()]
    if filled:
        # References between them are looked at when all is done.
        with transaction.atomic(), connection.cursor() as cursor:
            for name in filled:
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(name)}")


@cache
def _question() -> str:
    """Which of all tables have a row?"""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {connection.ops.quote_name(name)})"
        for name in names
        if name not in STAY
    )
