"""Databases for servers under test: on PostgreSQL each one gets a fresh database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql


@contextmanager
def fresh(url: str | None) -> Iterator[str | None]:
    """The URL of a new database beside the one of `url`; None stays None (SQLite)."""
    if url is None or not url.startswith("postgres"):
        yield None
        return
    name = f"server_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield url.rpartition("/")[0] + f"/{name}"
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )
