"""What a backup consists of, and the file that says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

FORMAT = 1
NAME = "backup.json"  # written last: a folder without it is no backup
OF_DOMAIN = "domain-backup.json"  # the same of one domain
DATA = "data"  # as it lies in MAILHOST_DATA
AREAS = "areas"  # folders of domains that lie elsewhere, by the key of their area
SQLITE = "database.sqlite3"
TABLES = "tables"  # of PostgreSQL: one file for each

# Of MAILHOST_DATA: what only a running server needs, or what is kept in another way.
NOT_COPIED = frozenset({"run", "logs", "serve.pid", "spool", "domains", "trash"})


class BackupError(Exception):
    """Nothing, or nothing whole, was made; the text is for the operator."""


@dataclass(frozen=True, slots=True)
class AreaPlace:
    """An area as the copied database knows it."""

    key: int
    path: str  # absolute, or below the data folder


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment that the copied database knows, of which so many bytes count."""

    key: int
    area: int
    size_bytes: int
    is_needed: bool  # something in it is referred to


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What `backup.json` says."""

    format: int = FORMAT
    made_at: datetime
    hostname: str
    database: str  # "sqlite" or "postgresql"
    migrations: list[tuple[str, str]]
    areas: dict[str, str]  # those outside of the data folder: key to path
    columns: dict[str, list[str]]  # of each table, for PostgreSQL
    files: int
    size_bytes: int


def read(folder: Path) -> Contents:
    """Raises BackupError."""
    try:
        contents = msgspec.json.decode((folder / NAME).read_bytes(), type=Contents)
    except FileNotFoundError:
        if (folder / OF_DOMAIN).exists():
            raise BackupError(f"{folder} is of one domain: restore it with --domain") from None
        raise BackupError(f"{folder} is no backup, or one that was not finished") from None
    except (OSError, msgspec.DecodeError) as error:
        raise BackupError(f"{folder / NAME} cannot be read: {error}") from None
    if contents.format != FORMAT:
        raise BackupError("the backup was made by a newer MailHost")
    return contents


def write(folder: Path, contents: Contents) -> None:
    text = msgspec.json.format(msgspec.json.encode(contents, order="sorted"), indent=2)
    (folder / NAME).write_bytes(text + b"\n")
