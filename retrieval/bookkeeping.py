"""What has been fetched already: by UIDL and UID, and by digest where those mean nothing any more.

All of it asks the database, so in a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from retrieval.models import FetchedMessage, RemoteFolder

# A listing that is short by a fault of the other server must not make it all come again.
MISSING_FOR = timedelta(days=30)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Known:
    """One message that is here; what is deleted there later needs its moment."""

    row_id: int
    fetched_at: datetime
    is_deleted: bool
    is_missing: bool


def folder_of(account_id: int, name: str, uidvalidity: int) -> RemoteFolder:
    """The row of a remote folder; with a new UIDVALIDITY its names begin anew."""
    with transaction.atomic():
        row = RemoteFolder.objects.get_or_create(account_id=account_id, name=name)[0]
        if row.uidvalidity != uidvalidity:
            _begin_anew(FetchedMessage.objects.filter(folder=row))
            row.uidvalidity, row.last_uid, row.highest_modseq = uidvalidity, 0, 0
            row.save()
    return row


def begin_anew(account_id: int) -> None:
    """The account leads to another mailbox now: what it lists has to be looked at again."""
    _begin_anew(FetchedMessage.objects.filter(folder__account_id=account_id))
    RemoteFolder.objects.filter(account_id=account_id).update(
        uidvalidity=0, last_uid=0, highest_modseq=0
    )


def _begin_anew(rows: QuerySet[FetchedMessage]) -> None:
    # What was deleted there does not come again.
    rows.filter(deleted_at__isnull=False).delete()
    rows.update(uidvalidity=None)


def forget_names(row_ids: list[int]) -> None:
    """These names may stand for other messages now: only the digests still hold."""
    _in_batches(row_ids, uidvalidity=None)


def known(folder: RemoteFolder) -> dict[str, Known]:
    """All that was fetched from a folder, by UIDL or UID."""
    rows = FetchedMessage.objects.filter(folder=folder, uidvalidity=folder.uidvalidity)
    return {
        key: Known(row_id, fetched_at, deleted_at is not None, missing_since is not None)
        for row_id, key, fetched_at, deleted_at, missing_since in rows.values_list(
            "pk", "key", "fetched_at", "deleted_at", "missing_since"
        ).iterator(chunk_size=2000)
    }


def is_known_by_digest(folder: RemoteFolder, digest: str) -> bool:
    """Whether these octets came from the account under a name that means nothing any more.

    Two messages alike that lie there side by side are two.
    """
    rows = FetchedMessage.objects.filter(folder__account_id=folder.account_id, digest=digest)
    return rows.filter(uidvalidity=None).exists()


def note_missing(found: Iterable[Known], *, now: datetime) -> None:
    """These are not there any more; names of the deleted may be given out again. RFC 1939 §7."""
    gone = list(found)
    _in_batches([one.row_id for one in gone if one.is_deleted], delete=True)
    first_missed = [one.row_id for one in gone if not one.is_deleted and not one.is_missing]
    _in_batches(first_missed, missing_since=now)


def note_present(found: Iterable[Known]) -> None:
    """They were taken for missing, and are there."""
    _in_batches([one.row_id for one in found if one.is_missing], missing_since=None)


def forget_missing(folder: RemoteFolder, *, now: datetime) -> None:
    FetchedMessage.objects.filter(folder=folder, missing_since__lt=now - MISSING_FOR).delete()


def note_deleted(folder: RemoteFolder, keys: Collection[str], *, now: datetime) -> None:
    """They were deleted there by this server."""
    wanted = list(keys)
    for start in range(0, len(wanted), _BATCH):
        FetchedMessage.objects.filter(
            folder=folder, uidvalidity=folder.uidvalidity, key__in=wanted[start : start + _BATCH]
        ).update(deleted_at=now)


def forget_deleted(folder: RemoteFolder) -> None:
    """IMAP never gives a UID twice, so what is below the mark needs no note. RFC 9051 §2.3.1.1."""
    rows = FetchedMessage.objects.filter(folder=folder, deleted_at__isnull=False)
    gone = [
        row_id
        for row_id, key in rows.values_list("pk", "key")
        if key.isdigit() and int(key) <= folder.last_uid
    ]
    _in_batches(gone, delete=True)


def note_progress(folder: RemoteFolder, *, last_uid: int, highest_modseq: int) -> None:
    folder.last_uid, folder.highest_modseq = last_uid, highest_modseq
    RemoteFolder.objects.filter(pk=folder.pk, uidvalidity=folder.uidvalidity).update(
        last_uid=last_uid, highest_modseq=highest_modseq
    )


def places_of(folder: RemoteFolder, keys: Collection[str]) -> dict[str, int]:
    """The message in the mailbox here of each, where it went there at once."""
    found: dict[str, int] = {}
    wanted = list(keys)
    for start in range(0, len(wanted), _BATCH):
        rows = FetchedMessage.objects.filter(
            folder=folder,
            uidvalidity=folder.uidvalidity,
            key__in=wanted[start : start + _BATCH],
            mailbox_message_id__isnull=False,
        )
        places = rows.values_list("key", "mailbox_message_id")
        found |= {key: place for key, place in places if place is not None}
    return found


def _in_batches(row_ids: list[int], *, delete: bool = False, **values: Any) -> None:
    for start in range(0, len(row_ids), _BATCH):
        rows = FetchedMessage.objects.filter(pk__in=row_ids[start : start + _BATCH])
        if delete:
            rows.delete()
        else:
            rows.update(**values)
