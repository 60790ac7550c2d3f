"""Writing the index of a domain's mail, as it is at one moment, into a file (D-034, X-032)."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import structlog
from django.db import connection
from django.db.models import QuerySet

from blobs.errors import StoreFailed
from blobs.holding import held
from blobs.segment import Location, sync_directory
from blobs.snapshot import one_moment
from clock.moments import to_micros
from domains.models import Domain
from mailboxes import index
from mailboxes.index import AnyLine, FolderLine, Head, IndexBroken, MessageLine, SubscriptionLine
from mailboxes.models import Folder, Message, SpecialUse, Subscription

log = structlog.get_logger(__name__)

_ROWS_AT_ONCE = 2_000
_BLOBS = (
    'SELECT DISTINCT b.segment_id, b."offset", b.id, b.length, b.size_bytes'
    " FROM mailboxes_message m JOIN mailboxes_folder f ON f.id = m.folder_id"
    " JOIN accounts_user u ON u.id = f.account_id JOIN blobs_blob b ON b.id = m.blob_id"
    ' WHERE u.domain_id = %s AND u.recycled IS NULL ORDER BY b.segment_id, b."offset"'
)


class Places:
    """Where many blobs lie, in little memory; in the order of their files."""

    def __init__(self) -> None:
        self._numbers = array("q")

    def add(self, place: Location) -> None:
        self._numbers.extend(place)

    def __len__(self) -> int:
        return len(self._numbers) // len(Location._fields)

    def __iter__(self) -> Iterator[Location]:
        step = len(Location._fields)
        for start in range(0, len(self._numbers), step):
            yield Location(*self._numbers[start : start + step])


def lines_of(domain: Domain, *, now: datetime) -> Iterator[AnyLine]:
    """Every folder, message and subscription; inside of `one_moment`."""
    state = state_of(domain)
    yield Head(format=index.FORMAT, domain=domain.name, made_at=to_micros(now), state=state)
    for number, folder in enumerate(_folders(domain).select_related("account"), 1):
        yield FolderLine(
            number=number, user=folder.account.local_part, name=folder.name,
            special_use=SpecialUse(folder.special_use), uidvalidity=folder.uidvalidity,
            uid_next=folder.uid_next, highest_modseq=folder.highest_modseq,
            recent_uid=folder.recent_uid,
        )  # fmt: skip
        yield from _messages(number, folder)
    for user, name in _subscriptions(domain):
        yield SubscriptionLine(user=user, name=name)


def state_of(domain: Domain) -> str:
    """Another one whenever the index would be another one: every change raises a MODSEQ."""
    seen = blake2b(digest_size=16)
    for row in _folders(domain).values_list(
        "account__local_part", "name", "special_use", "uidvalidity", "highest_modseq", "recent_uid"
    ):
        seen.update(f"{row}".encode())
    for pair in _subscriptions(domain):
        seen.update(f"{pair}".encode())
    return seen.hexdigest()


def _folders(domain: Domain) -> QuerySet[Folder]:
    found = Folder.objects.filter(account__domain=domain, account__recycled=None)
    return found.order_by("account__local_part", "name")


def _subscriptions(domain: Domain) -> Iterable[tuple[str, str]]:
    found = Subscription.objects.filter(account__domain=domain, account__recycled=None)
    order = ("account__local_part", "name")
    return found.order_by(*order).values_list(*order)


def _messages(number: int, folder: Folder) -> Iterator[MessageLine]:
    rows = Message.objects.filter(folder=folder).order_by("uid").values_list(
        "uid", "modseq", "flags", "keywords", "blob__digest", "prefix", "received_at", "saved_at"
    )  # fmt: skip
    for uid, modseq, flags, keywords, digest, prefix, received_at, saved_at in rows.iterator(
        chunk_size=_ROWS_AT_ONCE
    ):
        yield MessageLine(
            folder=number, uid=uid, modseq=modseq, flags=flags, keywords=keywords,
            digest=bytes(digest).hex(), prefix=prefix, received_at=to_micros(received_at),
            saved_at=to_micros(saved_at),
        )  # fmt: skip


def places_of(domain: Domain) -> Places:
    """Where the bytes of all mail of the domain lie, wherever that is; inside of `one_moment`."""
    places = Places()
    with connection.cursor() as cursor:
        cursor.execute(_BLOBS, [domain.pk])
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            for segment_id, offset, blob_id, length, size_bytes in rows:
                places.add(Location(blob_id, segment_id, offset, length, size_bytes))
    return places


def write(domain: Domain, *, now: datetime) -> bool:
    """Bring the index in the domain's folder up to date; False if nothing has changed since.

    A reader sees the old one or the new one. Raises OSError, StoreFailed. Blocks.
    """
    with held(domain.area):
        return _write(domain, domain.area.directory, now)


def _write(domain: Domain, directory: Path, now: datetime) -> bool:
    path = directory / index.NAME
    if _state_in(path) == state_of(domain):
        return False
    fresh = directory / f".{index.NAME}.{os.getpid()}"
    fd = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            with one_moment():
                index.write_lines(file, lines_of(domain, now=now), domain_id=domain.pk)
            _sync(file)
        if os.path.lexists(path) and not _is_ours(path, domain.pk):
            path.rename(directory / index.FOUND)  # for Reload
        fresh.rename(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(directory)
    return True


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _state_in(path: Path) -> str | None:
    try:
        return index.read_head(path).state
    except (IndexBroken, OSError):
        return None


def _is_ours(path: Path, domain_id: int) -> bool:
    try:
        return index.is_ours(path, domain_id)
    except (IndexBroken, OSError):
        return False


def write_all(*, now: datetime) -> int:
    """Bring the index of every domain up to date; how many were written. Blocks."""
    written = 0
    for domain in Domain.objects.filter(is_deleting=False, renaming=None).select_related("area"):
        try:
            written += write(domain, now=now)
        except (OSError, StoreFailed) as error:
            log.error("index not written", domain=domain.name, reason=str(error))
    return written
