"""What a backup consists of, and the file that says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from blobs.errors import StoreFull
from blobs.failures import is_full, store_error

FORMAT = 1
NAME = "backup.json"  # written last: a folder without it is no backup
OF_DOMAIN = "domain-backup.json"  # the same of one domain
DATA = "data"  # as it lies in MAILHOST_DATA
AREAS = "areas"  # folders of domains that lie elsewhere, by the key of their area
SQLITE = "database.sqlite3"
TABLES = "tables"  # of PostgreSQL: one file for each

# Of MAILHOST_DATA: what only a running server needs, what is kept in another way, and exports,
# which are made of what is in the backup anyway and last a week.
NOT_COPIED = frozenset({"run", "logs", "spool", "domains", "trash", "exports"})


class BackupError(Exception):
    """Nothing, or nothing whole, was made; the text is for the operator."""


def in_words(error: Exception) -> str:
    """Why the disk or the database would not go on."""
    is_disk = isinstance(error, OSError) and isinstance(store_error(error), StoreFull)
    if is_disk or isinstance(error, StoreFull) or is_full(error):
        return f"there is no room on the disk ({error})"
    return str(error)


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


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What every backup says of itself."""

    format: int = FORMAT
    made_at: datetime
    hostname: str
    files: int
    size_bytes: int


class Contents(Said, frozen=True, kw_only=True):
    """What `backup.json` says."""

    database: str  # "sqlite" or "postgresql"
    migrations: list[tuple[str, str]]
    areas: dict[str, str]  # those outside of the data folder: key to path
    columns: dict[str, list[str]]  # of each table, for PostgreSQL


Kind = TypeVar("Kind", bound=Said)


def read(folder: Path) -> Contents:
    """Raises BackupError."""
    if (folder / OF_DOMAIN).exists() and not (folder / NAME).exists():
        raise BackupError(f"{folder} is of one domain: restore it with --domain")
    return read_file(folder / NAME, Contents, absent="no backup, or one that was not finished")


def read_file(path: Path, kind: type[Kind], *, absent: str) -> Kind:
    """`absent`: what a folder without the file is. Raises BackupError."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise BackupError(f"{path.parent} is {absent}") from None
    except (OSError, msgspec.DecodeError) as error:
        raise BackupError(f"{path} cannot be read: {error}") from None
    if found.format != FORMAT:
        raise BackupError("the backup was made by a newer MailHost")
    return found


def write_file(path: Path, said: Said) -> None:
    text = msgspec.json.format(msgspec.json.encode(said, order="sorted"), indent=2)
    path.write_bytes(text + b"\n")
