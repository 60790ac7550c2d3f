"""Databases for servers under test: on PostgreSQL each one gets a database of its own.

The tables are made once in a run of the tests, and copied: each process of the run, and the first
start of each server, would take some seconds longer otherwise.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TypeGuard

import psycopg
from django.conf import settings as conf
from django.db import connection
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
# Names the folder of a run to the processes that the first one starts.
SHARED = "TESTS_SHARED_FOLDER"


def make_tables(url: str | None) -> None:
    """Unless a process of this run has made them already."""
    if _is_postgresql(url):
        _with_tables(url)
    else:
        sqlite_with_tables()


def _is_postgresql(url: str | None) -> TypeGuard[str]:
    return url is not None and url.startswith("postgres")


@contextmanager
def fresh(url: str | None, *, is_empty: bool = False) -> Iterator[str | None]:
    """The URL of a new database beside the one of `url`; None stays None (SQLite).

    `is_empty`: without tables.
    """
    if not _is_postgresql(url):
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
    with _alone() as folder:
        made = folder / "tables.sqlite3"
        if not made.exists():
            _migrate(folder)
            (folder / "mailhost.sqlite3").rename(made)
        return made.read_bytes()


@cache
def _with_tables(url: str) -> str:
    """The name of a database beside the one of `url`, until the run ends."""
    with _alone() as folder:
        made = folder / "template"
        if not made.exists():
            name = f"template_{secrets.token_hex(6)}"
            with psycopg.connect(url, autocommit=True) as connection:
                _create(connection, name, "template1")
            _migrate(folder, MAILHOST_DATABASE_URL=_beside(url, name))
            made.write_text(f"{url}\n{name}")
        return made.read_text().splitlines()[1]


def own_url() -> str:
    """Of the database of this process's tests, for another one that works on it."""
    at = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{at['NAME']}"
    user = f"{at['USER']}:{at['PASSWORD']}" if at["PASSWORD"] else at["USER"]
    return f"postgres://{user}@{at['HOST']}:{at['PORT']}/{at['NAME']}"


def own_environment() -> dict[str, str]:
    """For another process that works on the rows and files of this process's tests."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "mailhost.settings",
        "MAILHOST_DATA": str(conf.MAILHOST_DATA),
        "MAILHOST_HOSTNAME": conf.MAILHOST_HOSTNAME,
        "MAILHOST_DATABASE_URL": own_url(),
    }


def share() -> Path:
    """The folder of what a run makes once. The process that calls this first removes it."""
    if SHARED not in os.environ:
        os.environ[SHARED] = tempfile.mkdtemp(prefix="mailhost-tests-")
        atexit.register(_remove, Path(os.environ[SHARED]), os.getpid())
    return Path(os.environ[SHARED])


@contextmanager
def _alone() -> Iterator[Path]:
    """No other process of the run is in here."""
    folder = share()
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() != owner:
        return
    template = folder / "template"
    if template.exists():
        url, name = template.read_text().splitlines()
        # Unless the whole cluster is gone.
        with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as connection:
            _drop(connection, name)
    shutil.rmtree(folder, ignore_errors=True)


def _migrate(folder: Path, **settings: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAILHOST_")}
    own.pop("DJANGO_SETTINGS_MODULE", None)
    subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"],
        env={**own, "MAILHOST_DATA": str(folder), **settings},
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
