"""Databases for servers under test: on PostgreSQL each one gets a database of its own.

The tables are made once in a process of the tests, and copied: the first start of a server would
take some seconds longer otherwise.
"""

from __future__ import annotations

import atexit
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def fresh(url: str | None, *, is_empty: bool = False) -> Iterator[str | None]:
    """The URL of a new database beside the one of `url`; None stays None (SQLite).

    `is_empty`: without tables.
    """
    if url is None or not url.startswith("postgres"):
        yield None
        return
    name = f"server_{secrets.token_hex(6)}"
    template = "template1" if is_empty else _with_tables(url)
    with psycopg.connect(url, autocommit=True) as connection:
        _create(connection, name, template)
        try:
            yield _beside(url, name)
        finally:
            _drop(connection, name)


@cache
def sqlite_with_tables() -> bytes:
    """The file of a SQLite database that has nothing but its tables."""
    with tempfile.TemporaryDirectory(prefix="mh-") as folder:
        _migrate(folder)
        return (Path(folder) / "mailhost.sqlite3").read_bytes()


@cache
def _with_tables(url: str) -> str:
    """The name of a database beside the one of `url`, until this process ends."""
    name = f"template_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        _create(connection, name, "template1")
    atexit.register(_drop_later, url, name)
    with tempfile.TemporaryDirectory(prefix="mh-") as folder:
        _migrate(folder, MAILHOST_DATABASE_URL=_beside(url, name))
    return name


def _migrate(folder: str, **settings: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAILHOST_")}
    own.pop("DJANGO_SETTINGS_MODULE", None)
    subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"],
        env={**own, "MAILHOST_DATA": folder, **settings},
        check=True,
    )


def _beside(url: str, name: str) -> str:
    return url.rpartition("/")[0] + f"/{name}"


def _create(connection: psycopg.Connection, name: str, template: str) -> None:
    connection.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template)
        )
    )


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _drop_later(url: str, name: str) -> None:
    # Unless the whole cluster is gone.
    with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as connection:
        _drop(connection, name)
