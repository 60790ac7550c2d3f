"""Copying and moving messages between folders: COPY and MOVE. RFC 3501 §6.4.7, RFC 6851."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blobs import references
from blobs.committer import Job
from clock.moments import to_micros, utc_now
from mailboxes import changes, quota
from mailboxes.changes import Change, Kind, Marked
from mailboxes.delivery import Delivery, allot, count_flags, deliver, totals
from mailboxes.errors import FolderNotFound
from mailboxes.expunging import expunge
from mailboxes.quota import QuotaScope
from mailboxes.rows import (
    LockedFolder,
    lock_folders,
    references_by_blob,
    select_by_uid,
    take_out,
)

_COLUMNS = "id, flags, size_bytes, blob_id, keywords, prefix, received_at, spooled_id, is_settled"
_MOVE = (
    "UPDATE mailboxes_message SET folder_id = %s, uid = %s, modseq = %s, saved_at = %s"
    " WHERE id = %s"
)


@dataclass(frozen=True, slots=True)
class Copied:
    """What COPYUID says (RFC 4315 §3): the UIDs that existed, and theirs in the target."""

    uidvalidity: int
    source_uids: tuple[int, ...]
    target_uids: tuple[int, ...]
    added: Change | None  # in the target
    expunged: Change | None  # in the source, of a move


@dataclass(slots=True, kw_only=True, eq=False)
class Copy(Job):
    """All these messages into another folder, or none. Its result is Copied.

    Its error is FolderNotFound (the target) or QuotaExceeded.
    """

    waits_for_disk = False

    source_id: int
    source_domain_id: int
    uids: Sequence[int]
    target_id: int
    target_account_id: int
    target_domain_id: int
    is_move: bool = False

    @staticmethod
    def write_rows(jobs: Sequence[Copy], cursor: Any) -> None:
        folders = lock_folders(
            cursor, (key for job in jobs for key in (job.source_id, job.target_id))
        )
        for job in jobs:
            source, target = folders.get(job.source_id), folders.get(job.target_id)
            if source is None or target is None or target.account_id != job.target_account_id:
                job.error = FolderNotFound()
                continue
            rows = select_by_uid(cursor, _COLUMNS, job.source_id, job.uids)
            if not rows:
                job.result = Copied(target.uidvalidity, (), (), None, None)
            elif job.is_move and source.account_id == target.account_id:
                job.result = job._move(cursor, rows, target)
            else:
                job._copy(cursor, rows, source, target)

    def _copy(
        self, cursor: Any, rows: list[tuple[Any, ...]], source: LockedFolder, target: LockedFolder
    ) -> None:
        deliveries = [self._delivery(row) for row in rows]
        quota.refuse_overfull(cursor, deliveries)
        self.error = next((d.error for d in deliveries if d.error is not None), None)
        if self.error is not None:
            return
        references.change(cursor, references_by_blob((row[4] for row in rows), 1))
        deliver(cursor, deliveries, now=to_micros(utc_now()))
        marked = tuple(Marked(d.uid, d.flags, d.keywords) for d in deliveries)
        expunged = None
        if self.is_move:
            expunged = expunge(cursor, self.source_id, [row[:5] for row in rows])
            of_account = totals((source.account_id, row[3]) for row in rows)
            of_domain = totals((self.source_domain_id, row[3]) for row in rows)
            quota.add_usage(cursor, QuotaScope.ACCOUNT, of_account, sign=-1)
            quota.add_usage(cursor, QuotaScope.DOMAIN, of_domain, sign=-1)
        self.result = Copied(
            target.uidvalidity,
            tuple(row[0] for row in rows),
            tuple(entry.uid for entry in marked),
            Change(Kind.ADDED, deliveries[0].modseq, marked),
            expunged,
        )

    def _delivery(self, row: tuple[Any, ...]) -> Delivery:
        _, _, flags, size_bytes, blob_id, keywords, prefix, received_at, spooled_id, settled = row
        return Delivery(
            account_id=self.target_account_id,
            domain_id=self.target_domain_id,
            blob_id=blob_id,
            prefix=prefix,
            size_bytes=size_bytes,
            received_at=received_at,
            folder_id=self.target_id,
            flags=flags,
            keywords=keywords,
            spooled_id=spooled_id,
            is_settled=bool(settled) and self.target_domain_id == self.source_domain_id,
        )

    def _move(self, cursor: Any, rows: list[tuple[Any, ...]], target: LockedFolder) -> Copied:
        """Within one account: the rows change their folder, nothing else. Needs no room."""
        counts = count_flags((row[2], row[3]) for row in rows)
        uids = tuple(row[0] for row in rows)
        out_modseq = take_out(cursor, self.source_id, uids, counts)
        expunged = Change(Kind.EXPUNGED, out_modseq, uids=uids)
        changes.publish(self.source_id, expunged)
        allotted = allot(cursor, self.target_id, self.target_account_id, counts)
        assert allotted is not None  # the row is locked
        uid_next, modseq = allotted
        new_uids = tuple(range(uid_next - len(rows), uid_next))
        now = to_micros(utc_now())
        cursor.executemany(
            _MOVE,
            [
                (self.target_id, uid, modseq, now, row[1])
                for uid, row in zip(new_uids, rows, strict=True)
            ],
        )
        marked = tuple(Marked(uid, row[2], row[5]) for uid, row in zip(new_uids, rows, strict=True))
        added = Change(Kind.ADDED, modseq, marked)
        changes.publish(self.target_id, added)
        return Copied(target.uidvalidity, uids, new_uids, added, expunged)
