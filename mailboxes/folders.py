"""Creating, renaming and deleting folders, and subscribing to them. RFC 3501 §6.3."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import TypeVar

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from blobs import references
from blobs.contention import tried_again
from clock.moments import to_micros
from mailboxes import changes, quota, standard
from mailboxes.changes import Change, Kind
from mailboxes.delivery import totals
from mailboxes.errors import (
    FolderExists,
    FolderLimitReached,
    FolderNameInvalid,
    FolderNotFound,
    FolderProtected,
)
from mailboxes.models import ExpungedMessage, Folder, Message, SpecialUse, Subscription
from mailboxes.quota import QuotaScope
from mailboxes.rows import lock_folders, references_by_blob
from mailboxes.standard import INBOX

SEPARATOR = "/"
MOST_FOLDERS = 10_000  # of one account; so many subscriptions, too
NAME_CHARACTERS = 1_000
LEVEL_CHARACTERS = 250
MOST_LEVELS = 32

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f%*\ud800-\udfff]")
_BATCH = 10_000

Row = TypeVar("Row", Folder, Subscription)


def normal_name(name: str) -> str:
    """The name as folders keep it: NFC, INBOX in capitals, no separator at the end."""
    name = unicodedata.normalize("NFC", name).removesuffix(SEPARATOR)
    first, separator, rest = name.partition(SEPARATOR)
    return INBOX + separator + rest if first.upper() == INBOX else name


def check_name(name: str) -> str:
    """The normal form of a name for a new folder. Raises FolderNameInvalid."""
    if _FORBIDDEN.search(name):
        raise FolderNameInvalid(name, "it has characters that a folder name cannot have")
    normal = normal_name(name)
    levels = normal.split(SEPARATOR)
    if not all(levels):
        raise FolderNameInvalid(name, "a level of it is empty")
    if len(normal) > NAME_CHARACTERS or any(len(level) > LEVEL_CHARACTERS for level in levels):
        raise FolderNameInvalid(name, "it is too long")
    if len(levels) > MOST_LEVELS:
        raise FolderNameInvalid(name, f"it has more than {MOST_LEVELS} levels")
    return normal


@transaction.atomic
def ensure_standard(*, account_id: int, now: datetime) -> None:
    """Make the standard folders that are missing."""
    with connection.cursor() as cursor:
        standard.make_standard_folders(cursor, account_id, now=to_micros(now))


@transaction.atomic
def create(
    *, account_id: int, name: str, now: datetime, special_use: SpecialUse = SpecialUse.NONE
) -> list[str]:
    """Make a folder and those above it that are missing; the names made, the outermost first.

    Raises FolderNameInvalid, FolderExists, FolderLimitReached.
    """
    name = check_name(name)
    if name == INBOX:
        raise FolderExists(name)
    with connection.cursor() as cursor:
        standard.inbox(cursor, account_id, now=to_micros(now))
        missing = [level for level in _levels(name) if not _exists(account_id, level)]
        if name not in missing:
            raise FolderExists(name)
        _require_room(account_id, len(missing))
        for level in missing:
            use = special_use.value if level == name else ""
            is_new = standard.insert_folder(
                cursor, account_id, level, now=to_micros(now), special_use=use
            )
            if not is_new and level == name:
                raise FolderExists(name)
    changes.publish_folders(account_id)
    return missing


@tried_again
@transaction.atomic
def rename(*, account_id: int, name: str, new_name: str, now: datetime) -> None:
    """Give a folder and all below it another name; those above the new one are made.

    Renaming INBOX moves its messages and leaves it empty (RFC 3501 §6.3.5).
    Raises FolderNotFound, FolderExists, FolderNameInvalid, FolderLimitReached.
    """
    name, new_name = normal_name(name), check_name(new_name)
    if new_name == INBOX or _exists(account_id, new_name):
        raise FolderExists(new_name)
    if new_name.startswith(name + SEPARATOR) and name != INBOX:
        raise FolderNameInvalid(new_name, "a folder cannot be put below itself")
    if name == INBOX:
        _move_inbox(account_id, new_name, now)
        return
    renamed = _with_those_below(Folder.objects.filter(account_id=account_id), name)
    # A folder may be gone whose children are there: then only these are renamed.
    if not renamed:
        raise FolderNotFound(name)
    for folder in renamed:
        check_name(new_name + folder.name[len(name) :])
    parent = new_name.rpartition(SEPARATOR)[0]
    if parent and not _exists(account_id, parent):
        create(account_id=account_id, name=parent, now=now)
    try:
        with transaction.atomic():
            for folder in sorted(renamed, key=lambda folder: folder.pk):
                Folder.objects.filter(pk=folder.pk).update(name=new_name + folder.name[len(name) :])
    except IntegrityError:
        raise FolderExists(new_name) from None
    _rename_subscriptions(account_id, name, new_name)
    changes.publish_folders(account_id)


@tried_again
@transaction.atomic
def delete(*, account_id: int, domain_id: int, name: str) -> None:
    """Delete a folder with its messages; folders below it stay. RFC 3501 §6.3.4.

    Raises FolderProtected, FolderNotFound.
    """
    name = normal_name(name)
    if name == INBOX:
        raise FolderProtected(name)
    folder = Folder.objects.filter(account_id=account_id, name=name).first()
    if folder is None:
        raise FolderNotFound(name)
    empty([folder.pk], domain_ids={account_id: domain_id})
    ExpungedMessage.objects.filter(folder=folder).delete()
    Folder.objects.filter(pk=folder.pk).delete()
    changes.publish_unknown(folder.pk)
    changes.publish_folders(account_id)


@transaction.atomic
def empty(folder_ids: list[int], *, domain_ids: dict[int, int]) -> None:
    """Drop all messages of folders that are about to go; `domain_ids` by account.

    References and usage are kept right; the folders' own counters are not touched.
    """
    with connection.cursor() as cursor:
        folders = lock_folders(cursor, folder_ids)
        for folder_id, locked in folders.items():
            while True:
                rows = list(
                    Message.objects.filter(folder_id=folder_id).values_list(
                        "id", "blob_id", "size_bytes"
                    )[:_BATCH]
                )
                if not rows:
                    break
                references.change(cursor, references_by_blob((row[1] for row in rows), -1))
                cursor.executemany(
                    "DELETE FROM mailboxes_message WHERE id = %s", [(row[0],) for row in rows]
                )
                domain_id = domain_ids[locked.account_id]
                of_account = totals((locked.account_id, row[2]) for row in rows)
                of_domain = totals((domain_id, row[2]) for row in rows)
                quota.add_usage(cursor, QuotaScope.ACCOUNT, of_account, sign=-1)
                quota.add_usage(cursor, QuotaScope.DOMAIN, of_domain, sign=-1)


@transaction.atomic
def subscribe(*, account_id: int, name: str) -> None:
    """Raises FolderNameInvalid, FolderLimitReached. The folder need not exist."""
    name = check_name(name)
    if Subscription.objects.filter(account_id=account_id).count() >= MOST_FOLDERS:
        raise FolderLimitReached(MOST_FOLDERS)
    Subscription.objects.get_or_create(account_id=account_id, name=name)
    changes.publish_folders(account_id)


@transaction.atomic
def unsubscribe(*, account_id: int, name: str) -> None:
    """Raises FolderNotFound if there was no subscription."""
    gone, _ = Subscription.objects.filter(account_id=account_id, name=normal_name(name)).delete()
    if not gone:
        raise FolderNotFound(name)
    changes.publish_folders(account_id)


def _levels(name: str) -> list[str]:
    """a/b/c: a, a/b, a/b/c."""
    parts = name.split(SEPARATOR)
    return [SEPARATOR.join(parts[: depth + 1]) for depth in range(len(parts))]


def _exists(account_id: int, name: str) -> bool:
    return Folder.objects.filter(account_id=account_id, name=name).exists()


def _require_room(account_id: int, adding: int) -> None:
    if Folder.objects.filter(account_id=account_id).count() + adding > MOST_FOLDERS:
        raise FolderLimitReached(MOST_FOLDERS)


def _with_those_below(rows: QuerySet[Row], name: str) -> list[Row]:
    """The row called `name` and all below; SQLite's LIKE alone would ignore case."""
    found = rows.filter(Q(name=name) | Q(name__startswith=name + SEPARATOR))
    return [row for row in found if f"{row.name}/".startswith(name + SEPARATOR)]


def _rename_subscriptions(account_id: int, name: str, new_name: str) -> None:
    mine = Subscription.objects.filter(account_id=account_id)
    rows = _with_those_below(mine, name)
    mine.filter(pk__in=[row.pk for row in rows]).delete()
    Subscription.objects.bulk_create(
        [
            Subscription(account_id=account_id, name=new_name + row.name[len(name) :])
            for row in rows
        ],
        ignore_conflicts=True,
    )


def _move_inbox(account_id: int, new_name: str, now: datetime) -> None:
    create(account_id=account_id, name=new_name, now=now)
    target = Folder.objects.get(account_id=account_id, name=new_name)
    with connection.cursor() as cursor:
        inbox_id = standard.inbox(cursor, account_id, now=to_micros(now))
        lock_folders(cursor, [inbox_id, target.pk])
    inbox = Folder.objects.get(pk=inbox_id)
    uids = list(Message.objects.filter(folder=inbox).order_by("uid").values_list("uid", flat=True))
    modseq = inbox.highest_modseq + 1
    Message.objects.filter(folder=inbox).update(folder=target)
    ExpungedMessage.objects.bulk_create(
        [ExpungedMessage(folder=inbox, uid=uid, modseq=modseq) for uid in uids]
    )
    counters = ("messages", "unseen", "deleted", "bytes")
    taken = {name: getattr(inbox, name) for name in counters}
    Folder.objects.filter(pk=target.pk).update(
        uid_next=inbox.uid_next, highest_modseq=modseq, recent_uid=inbox.recent_uid, **taken
    )
    Folder.objects.filter(pk=inbox.pk).update(highest_modseq=modseq, **dict.fromkeys(counters, 0))
    changes.publish(inbox.pk, Change(Kind.EXPUNGED, modseq, uids=tuple(uids)))
    changes.publish_unknown(target.pk)
