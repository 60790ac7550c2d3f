"""Making a backup while the server runs: everything as it was at one moment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from blobs import keeping
from blobs.segment import segment_name
from mailhost import serverkeys
from mailhost.backup import contents, database, files
from mailhost.backup.contents import AREAS, DATA, AreaPlace, BackupError, Contents, SegmentFile
from mailhost.backup.database import Taken
from mailhost.backup.files import Copied

Tell = Callable[[str], None]

# A domain that is renamed or deleted meanwhile takes its folder with it: then look again.
TRIES = 5


def take(folder: Path, *, now: datetime, tell: Tell = lambda words: None) -> Contents:
    """Copy database, mail, folders of domains, keys and certificates into a new folder.

    Every message that was answered with 250 before is in it. The mail is copied after the
    database: segments are only added to, and none is removed meanwhile. Raises BackupError;
    what was copied until then is removed.
    """
    folder = folder.absolute()
    make(folder)
    try:
        with keeping.all_kept(), serverkeys.all_kept():
            return _take(folder, now, tell)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise BackupError(f"the backup failed: {contents.in_words(error)}") from error
        raise


def make(folder: Path) -> None:
    """Raises BackupError."""
    data = settings.MAILHOST_DATA
    if folder == data or folder.is_relative_to(data) or data.is_relative_to(folder):
        raise BackupError(f"{folder} lies in the server's own data, or they in it")
    try:
        folder.mkdir(parents=True, mode=files.MODE)
    except FileExistsError:
        raise BackupError(f"{folder} is there already: a backup needs a new folder") from None
    except OSError as error:
        raise BackupError(f"{folder} cannot be made: {error.strerror}") from None


def _take(folder: Path, now: datetime, tell: Tell) -> Contents:
    copied = Copied()
    tell("copying the database")
    taken = database.take(folder)
    for path in files.plain_files(folder):
        files.sync(path)
        copied.files += 1
        copied.size_bytes += path.stat().st_size
    tell(f"copying the mail ({len(taken.segments):,} files)")
    places = {area.key: area for area in taken.areas}
    for segment in taken.segments:
        _copy_segment(folder, places[segment.area], segment, copied)
    tell("copying folders of domains, keys and certificates")
    _copy_folders(folder, taken, copied)
    _copy_rest(folder, copied)
    found = Contents(
        made_at=now,
        hostname=settings.MAILHOST_HOSTNAME,
        database="sqlite" if not taken.columns else "postgresql",
        migrations=taken.migrations,
        areas={str(area.key): area.path for area in taken.areas if Path(area.path).is_absolute()},
        columns=taken.columns,
        files=copied.files,
        size_bytes=copied.size_bytes,
    )
    files.sync_folders(folder)
    contents.write_file(folder / contents.NAME, found)
    files.sync(folder / contents.NAME)
    files.sync(folder)
    return found


def goal_of(folder: Path, area: AreaPlace) -> Path:
    """Where the files of an area stand in the backup."""
    if Path(area.path).is_absolute():
        return folder / AREAS / str(area.key)
    return folder / DATA / area.path


def _copy_segment(folder: Path, area: AreaPlace, segment: SegmentFile, copied: Copied) -> None:
    name = segment_name(segment.key)
    goal = goal_of(folder, area) / name
    place: Path | None = settings.MAILHOST_DATA / area.path
    for _ in range(TRIES):
        if place is None:
            break
        try:
            copied.copy(place / name, goal)
        except FileNotFoundError:
            place = database.place_of(area.key)
            continue
        later_bytes = goal.stat().st_size - segment.size_bytes
        if later_bytes < 0:
            raise BackupError(f"{place / name} is shorter than the database says")
        if later_bytes:
            # It would look like mail that a crash has cut off, and go into the spool (S-058).
            os.truncate(goal, segment.size_bytes)
            files.sync(goal)
            copied.size_bytes -= later_bytes
        return
    if segment.is_needed:
        raise BackupError(f"{area.path}/{name} is missing: see ./manage verify")


def _copy_folders(folder: Path, taken: Taken, copied: Copied) -> None:
    """What lies beside the mail in the folders of domains, such as their manifests."""
    for area in taken.areas:
        place = settings.MAILHOST_DATA / area.path
        goal = goal_of(folder, area)
        for path in files.plain_files(place):
            if path.suffix in (".seg", ".new") or path.name.startswith("."):
                continue
            try:
                copied.copy(path, goal / path.relative_to(place))
            except FileNotFoundError:
                continue


def _copy_rest(folder: Path, copied: Copied) -> None:
    """Keys, certificates, and whatever else stands in the data folder but the database."""
    data = settings.MAILHOST_DATA
    # SQLite has files of its own beside that one.
    of_database = Path(str(settings.DATABASES["default"]["NAME"])).name
    is_sqlite = connection.vendor == "sqlite"
    for path in sorted(data.iterdir()):
        if path.name in contents.NOT_COPIED:
            continue
        if is_sqlite and path.name.startswith(of_database):
            continue
        if path.is_dir():
            copied.copy_tree(path, folder / DATA / path.name)
        elif path.is_file():
            copied.copy(path, folder / DATA / path.name)
