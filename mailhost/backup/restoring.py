"""Bringing a backup back into an empty server."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Greatest

from clock.moments import to_micros
from mailboxes.models import Folder
from mailboxes.standard import new_uidvalidity
from mailhost.backup import contents, database, files
from mailhost.backup.contents import AREAS, DATA, SQLITE, BackupError, Contents
from mailhost.backup.files import Copied
from spool import holding, recovery
from spool.selection import Selection

# What the start of a command makes in an empty data folder.
HARMLESS = frozenset({"keys", "run", "logs"})
REASON = "restored from a backup: it may have been delivered since"


@dataclass(frozen=True, slots=True)
class Restored:
    """`held`: messages that wait for an operator, as they may have left after the backup."""

    contents: Contents
    held: int


def restore(folder: Path, *, now: datetime, is_moved: bool = False) -> Restored:
    """Fill the empty data folder, and the empty database.

    `is_moved`: the other server was stopped before the backup, so nothing happened since. Else
    every folder gets a new UIDVALIDITY, as UIDs may have been given since that are not known
    here (RFC 9051 §2.3.1.1), and waiting mail is held. Raises BackupError.
    """
    folder = folder.absolute()
    found = contents.read(folder)
    _require_fitting(found)
    try:
        _copy(folder, found)
        settings.MAILHOST_SERVER_KEYS.follow()  # the key of the backup opens its secrets
        if connection.vendor == "sqlite":
            goal = Path(settings.DATABASES["default"]["NAME"])
            Copied().copy(folder / SQLITE, goal)
        else:
            database.load(folder, found.columns, found.migrations)
        files.sync_folders(settings.MAILHOST_DATA)
    except OSError as error:
        raise BackupError(f"restoring failed: {contents.in_words(error)}") from error
    database.migrate()
    recovery.recover_claims()
    return Restored(found, 0 if is_moved else _make_safe(now))


def _require_fitting(found: Contents) -> None:
    if connection.vendor not in (found.database, "postgresql"):
        raise BackupError(
            f"the backup is of {found.database}, and this server is set up for {connection.vendor}"
        )
    data: Path = settings.MAILHOST_DATA
    for path in sorted(data.iterdir()):
        if path.name not in HARMLESS:
            raise BackupError(f"{data} is not empty: there is {path.name}")
    if any(path.name != "server.key" for path in (data / "keys").iterdir()):
        raise BackupError(f"{data / 'keys'} has keys already")
    for path in map(Path, found.areas.values()):
        if path.exists() and any(path.iterdir()):
            raise BackupError(f"{path}, the folder of a domain, is not empty")
    database.require_known(found.migrations)
    database.require_empty()


def _copy(folder: Path, found: Contents) -> None:
    copied, data = Copied(), settings.MAILHOST_DATA
    copied.copy_tree(folder / DATA, data)
    for key, path in found.areas.items():
        copied.copy_tree(folder / AREAS / key, Path(path))
    # Nothing that an earlier run has left there speaks of this server.
    shutil.rmtree(settings.MAILHOST_RUN / "counts", ignore_errors=True)


def _make_safe(now: datetime) -> int:
    fresh = Value(new_uidvalidity(to_micros(now)))
    Folder.objects.update(uidvalidity=Greatest(fresh, F("uidvalidity") + 1))
    done = holding.hold(selection=Selection.everything(), reason=REASON, by=None, now=now)
    return done.done
