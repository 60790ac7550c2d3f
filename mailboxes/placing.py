"""Messages that come back with their UIDs: into a folder beside, which then takes its place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from blobs import references
from blobs.committer import Job
from blobs.contention import tried_again
from blobs.ids import new_id
from clock.moments import to_micros, utc_now
from mailboxes import changes, folders, quota, standard
from mailboxes.delivery import INSERT_MESSAGE, Delivery, count_flags, deliver, totals
from mailboxes.errors import FolderLimitReached, FolderNotFound
from mailboxes.index import FolderLine
from mailboxes.models import ExpungedMessage, Folder, Message
from mailboxes.quota import QuotaScope
from mailboxes.rows import lock_folders

# Of folders that are being filled; nobody can have one by that name restored.
BESIDE = "Being restored"
# UIDs and MODSEQs that were given after the index was written are not known to it, and must not
# be given again while the UIDVALIDITY is the same (RFC 9051 §2.3.1.1): so many are passed over.
UID_GAP = 100_000
MODSEQ_GAP = 1_000_000

_COUNT_IN = (
    "UPDATE mailboxes_folder SET messages = messages + %s, unseen = unseen + %s,"
    " deleted = deleted + %s, bytes = bytes + %s, uid_next = %s WHERE id = %s"
)


@dataclass(slots=True, kw_only=True, eq=False)
class Bring(Job):
    """One message: with a record of its own, or with the blob of one that came before.

    `uid` 0: the folder allots UID and MODSEQ, and tells who looks at it. Else they are as given,
    rising, and nobody must know of the folder. Its error is FolderNotFound.
    """

    delivery: Delivery
    uid: int = 0
    modseq: int = 0
    saved_at: int = 0  # microseconds

    @staticmethod
    def write_rows(jobs: Sequence[Bring], cursor: Any) -> None:
        there = lock_folders(cursor, {job.delivery.folder_id or 0 for job in jobs})
        for job in jobs:
            job.error = None if job.delivery.folder_id in there else FolderNotFound()
        well = [job for job in jobs if job.error is None]
        shared = Counter(job.delivery.blob_id for job in well if not job.records)
        references.change(cursor, shared)
        deliver(cursor, [job.delivery for job in well if not job.uid], now=to_micros(utc_now()))
        _place(cursor, [job for job in well if job.uid])


def _place(cursor: Any, jobs: Sequence[Bring]) -> None:
    by_folder: defaultdict[int, list[Bring]] = defaultdict(list)
    for job in jobs:
        by_folder[job.delivery.folder_id or 0].append(job)
    for folder_id, placed in sorted(by_folder.items()):
        messages, unseen, deleted, size_bytes = count_flags(
            (job.delivery.flags, job.delivery.size_bytes) for job in placed
        )
        values = (messages, unseen, deleted, size_bytes, placed[-1].uid + 1, folder_id)
        cursor.execute(_COUNT_IN, values)
    cursor.executemany(INSERT_MESSAGE, [_row(job) for job in jobs])
    deliveries = [job.delivery for job in jobs]
    of_accounts = totals((d.account_id, d.size_bytes) for d in deliveries)
    of_domains = totals((d.domain_id, d.size_bytes) for d in deliveries)
    quota.add_usage(cursor, QuotaScope.ACCOUNT, of_accounts)
    quota.add_usage(cursor, QuotaScope.DOMAIN, of_domains)


def _row(job: Bring) -> tuple[Any, ...]:
    one = job.delivery
    return (
        new_id(), one.folder_id, job.uid, job.modseq, one.flags, one.keywords, one.blob_id,
        one.prefix, one.size_bytes, one.received_at, job.saved_at, None, one.is_settled,
    )  # fmt: skip


def is_untouched(folder: Folder) -> bool:
    """Nothing has ever been in it, so nobody remembers a UID of it."""
    return folder.uid_next == 1 and not folder.messages


def make_beside(line: FolderLine, *, account_id: int, domain_id: int) -> int:
    """The key of an empty folder that will be what `line` says. Raises FolderLimitReached."""
    name = f"{BESIDE} {line.number}"
    mine = Folder.objects.filter(account_id=account_id)
    if mine.filter(name=name).exists():  # of a run that was cut off
        drop_beside(line, account_id=account_id, domain_id=domain_id)
    if mine.count() >= folders.MOST_FOLDERS:
        raise FolderLimitReached(folders.MOST_FOLDERS)
    made = mine.create(
        account_id=account_id, name=name, uidvalidity=line.uidvalidity, created_at=utc_now()
    )
    return made.pk


def drop_beside(line: FolderLine, *, account_id: int, domain_id: int) -> None:
    """Raises FolderNotFound."""
    name = f"{BESIDE} {line.number}"
    folders.delete(account_id=account_id, domain_id=domain_id, name=name)


@tried_again
@transaction.atomic
def put_in_place(line: FolderLine, *, folder_id: int, account_id: int) -> None:
    """The filled folder becomes the one that `line` says.

    One of that name that is there gives up its messages, which get UIDs behind the others; who
    has it selected has to select it anew, as its UIDVALIDITY is another one. Raises FolderNotFound.
    """
    mine = Folder.objects.filter(account_id=account_id)
    old = mine.filter(name=line.name).first()
    with connection.cursor() as cursor:
        lock_folders(cursor, [folder_id, *([old.pk] if old is not None else [])])
    filled = mine.filter(pk=folder_id).first()
    if filled is None:
        raise FolderNotFound(line.name)
    filled.uid_next = max(filled.uid_next, line.uid_next) + UID_GAP
    filled.highest_modseq = line.highest_modseq + MODSEQ_GAP
    filled.recent_uid = min(line.recent_uid, filled.uid_next - 1)
    old = mine.filter(name=line.name).first()
    if old is not None:
        _take_over(old, filled)
    holder = mine.filter(special_use=line.special_use).exclude(special_use="").first()
    if holder is None or is_untouched(holder):
        mine.filter(pk=holder.pk if holder is not None else 0).update(special_use="")
        filled.special_use = line.special_use.value
    filled.name = line.name
    filled.save()
    transaction.on_commit(lambda: standard.forget_inbox(account_id))
    changes.publish_unknown(filled.pk)
    changes.publish_folders(account_id)


def _take_over(old: Folder, filled: Folder) -> None:
    """What came into `old` meanwhile goes on behind what was there before; `old` goes."""
    for row in Message.objects.filter(folder=old).order_by("uid").only("id").iterator():
        Message.objects.filter(pk=row.pk).update(
            folder=filled, uid=filled.uid_next, modseq=filled.highest_modseq
        )
        filled.uid_next += 1
    for counter in ("messages", "unseen", "deleted", "bytes"):
        setattr(filled, counter, getattr(filled, counter) + getattr(old, counter))
    ExpungedMessage.objects.filter(folder=old).delete()
    Folder.objects.filter(pk=old.pk).delete()
    changes.publish_unknown(old.pk)
