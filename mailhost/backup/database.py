"""The database at one moment, out of a running server and back into an empty one.

SQLite copies itself; of PostgreSQL every table is copied inside of one transaction, so no
program of another version has to be at hand. What was SQLite may become PostgreSQL (X-031).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from blobs.models import Area
from mailhost.backup.contents import SQLITE, TABLES, AreaPlace, BackupError, SegmentFile

AREAS = "SELECT id, path FROM blobs_area"
SEGMENTS = "SELECT id, area_id, size_bytes, live_bytes FROM blobs_segment"
MIGRATIONS = "SELECT app, name FROM django_migrations ORDER BY id"


@dataclass(frozen=True, slots=True)
class Taken:
    """What the copied database says about the rest. `columns`: of each table (PostgreSQL)."""

    areas: list[AreaPlace]
    segments: list[SegmentFile]
    migrations: list[tuple[str, str]]
    columns: dict[str, list[str]]


def take(folder: Path) -> Taken:
    """Copy the database as it is at one moment into `folder`; others go on writing."""
    if connection.vendor == "sqlite":
        return _take_sqlite(folder / SQLITE)
    if connection.vendor == "postgresql":
        return _take_postgresql(folder / TABLES)
    raise BackupError(f"no backup can be made of {connection.vendor}")


def _take_sqlite(path: Path) -> Taken:
    connection.ensure_connection()
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as copy:
        connection.connection.backup(copy)  # in one step: readers hold no writer up
        return _taken(
            copy.execute(AREAS), copy.execute(SEGMENTS), copy.execute(MIGRATIONS), columns={}
        )


def _take_postgresql(folder: Path) -> Taken:
    folder.mkdir(mode=0o700)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        columns = {table: _columns(cursor, table) for table in _tables(cursor)}
        for table, names in columns.items():
            out = sql.SQL("COPY {} ({}) TO STDOUT").format(*_identifiers(table, names))
            with (folder / table).open("xb") as file, _raw(cursor).copy(out) as rows:
                for data in rows:
                    file.write(data)
        found = [_all(cursor, statement) for statement in (AREAS, SEGMENTS, MIGRATIONS)]
    return _taken(*found, columns=columns)


def _taken(
    areas: Iterable[Any],
    segments: Iterable[Any],
    migrations: Iterable[Any],
    *,
    columns: dict[str, list[str]],
) -> Taken:
    return Taken(
        areas=[AreaPlace(*row) for row in areas],
        segments=[
            SegmentFile(key, area, size_bytes, live_bytes > 0)
            for key, area, size_bytes, live_bytes in segments
        ],
        migrations=[(app, name) for app, name in migrations],
        columns=columns,
    )


def place_of(area: int) -> Path | None:
    """Where an area lies now: domains may be moved while they are copied."""
    row = Area.objects.filter(pk=area).first()
    return row.directory if row is not None else None


def require_empty() -> None:
    """Raises BackupError if the configured database has been in use."""
    if connection.vendor == "sqlite":
        path = Path(settings.DATABASES["default"]["NAME"])
        if path.exists():
            raise BackupError(f"there is a database already: {path}")
        return
    with connection.cursor() as cursor:
        if _tables(cursor):
            raise BackupError("the database has tables already: restore needs an empty one")


def require_known(migrations: Iterable[tuple[str, str]]) -> None:
    """Raises BackupError if this program is older than the one that made the backup."""
    known = MigrationLoader(None).disk_migrations
    unknown = [
        f"{app} {name}"
        for app, name in migrations
        if app in settings.ROOMS and (app, name) not in known
    ]
    if unknown:
        raise BackupError(f"the backup was made by a newer MailHost: it has {unknown[0]}")


def load(folder: Path, columns: dict[str, list[str]], migrations: list[tuple[str, str]]) -> None:
    """Fill the empty PostgreSQL database; the schema is made as the backup has it.

    No `columns`: the backup is of SQLite, whose values PostgreSQL reads as they are written.
    """
    executor = MigrationExecutor(connection)
    known = executor.loader.disk_migrations
    # The other server may have used another engine for its jobs, whose tables nobody misses.
    executor.migrate(_last_of([one for one in migrations if one in known]))
    with transaction.atomic(), connection.cursor() as cursor:
        present = _tables(cursor)
        names = sql.SQL(", ").join(map(sql.Identifier, present))
        _raw(cursor).execute(sql.SQL("TRUNCATE {} CASCADE").format(names))
        if columns:
            _fill_from_files(cursor, folder / TABLES, columns, present)
        else:
            _fill_from_sqlite(cursor, folder / SQLITE, present)
        _set_sequences(cursor)


def _fill_from_files(
    cursor: Any, folder: Path, columns: dict[str, list[str]], present: list[str]
) -> None:
    for table in columns.keys() & set(present):
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(*_identifiers(table, columns[table]))
        with (folder / table).open("rb") as file, _raw(cursor).copy(into) as rows:
            while data := file.read(1 << 20):
                rows.write(data)


def _fill_from_sqlite(cursor: Any, path: Path, present: list[str]) -> None:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as source:
        for table in present:
            names = _columns(cursor, table)
            found = {row[1] for row in source.execute(f'PRAGMA table_info("{table}")')}
            names = [name for name in names if name in found]
            if not names:
                continue
            into = sql.SQL("COPY {} ({}) FROM STDIN").format(*_identifiers(table, names))
            quoted = ", ".join(f'"{name}"' for name in names)
            with _raw(cursor).copy(into) as rows:
                # Names of tables and columns are this program's own.
                for row in source.execute(f'SELECT {quoted} FROM "{table}"'):
                    rows.write_row(row)


def migrate() -> None:
    """From the schema of the backup to that of this program."""
    call_command("migrate", verbosity=0, interactive=False)


def _last_of(migrations: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The last one of each app, as the order of their being applied says."""
    return list({app: (app, name) for app, name in migrations}.values())


def _set_sequences(cursor: Any) -> None:
    identities = _all(
        cursor,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND is_identity = 'YES'",
    )
    for table, column in identities:
        _raw(cursor).execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence({}, {}), coalesce(max({}), 1),"
                " max({}) IS NOT NULL) FROM {}"
            ).format(
                sql.Literal(f'"{table}"'),
                sql.Literal(column),
                sql.Identifier(column),
                sql.Identifier(column),
                sql.Identifier(table),
            )
        )


def _tables(cursor: Any) -> list[str]:
    return sorted(connection.introspection.table_names(cursor))


def _columns(cursor: Any, table: str) -> list[str]:
    found = connection.introspection.get_table_description(cursor, table)
    return [column.name for column in found]


def _identifiers(table: str, columns: Iterable[str]) -> tuple[sql.Composable, sql.Composable]:
    return sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))


def _raw(cursor: Any) -> Any:
    """psycopg's own cursor, which can copy."""
    return cursor.cursor


def _all(cursor: Any, statement: str) -> list[Any]:
    cursor.execute(statement)
    return list(cursor.fetchall())
