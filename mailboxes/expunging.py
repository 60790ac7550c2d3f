"""Removing messages for good: EXPUNGE, UID EXPUNGE, and POP3's deletions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blobs import references
from blobs.committer import Job
from mailboxes import changes, quota
from mailboxes.changes import Change, Kind
from mailboxes.delivery import count_flags, totals
from mailboxes.errors import FolderNotFound
from mailboxes.models import Flag
from mailboxes.quota import QuotaScope
from mailboxes.rows import lock_folders, references_by_blob, select_by_uid, take_out

_SELECT_DELETED = (
    "SELECT uid, id, flags, size_bytes, blob_id FROM mailboxes_message"
    " WHERE folder_id = %s AND flags >= %s ORDER BY uid"
)
_DELETE = "DELETE FROM mailboxes_message WHERE id = %s"


@dataclass(slots=True, kw_only=True, eq=False)
class Expunge(Job):
    """Removes messages of one folder. Its result is the Change, None if there was nothing.

    Its error is FolderNotFound.
    """

    waits_for_disk = False

    folder_id: int
    domain_id: int  # of the folder's owner
    uids: Sequence[int] | None = None  # None: all that are flagged \\Deleted
    even_unflagged: bool = False  # with `uids`: those without \\Deleted, too

    @staticmethod
    def write_rows(jobs: Sequence[Expunge], cursor: Any) -> None:
        folders = lock_folders(cursor, (job.folder_id for job in jobs))
        of_accounts: list[tuple[int, int]] = []
        of_domains: list[tuple[int, int]] = []
        for job in jobs:
            folder = folders.get(job.folder_id)
            if folder is None:
                job.error = FolderNotFound()
                continue
            rows = job._select(cursor) if folder.deleted or job.uids is not None else []
            job.result = expunge(cursor, job.folder_id, rows)
            of_accounts += [(folder.account_id, row[3]) for row in rows]
            of_domains += [(job.domain_id, row[3]) for row in rows]
        quota.add_usage(cursor, QuotaScope.ACCOUNT, totals(of_accounts), sign=-1)
        quota.add_usage(cursor, QuotaScope.DOMAIN, totals(of_domains), sign=-1)

    def _select(self, cursor: Any) -> list[tuple[int, ...]]:
        if self.uids is None:
            cursor.execute(_SELECT_DELETED, (self.folder_id, Flag.DELETED))
            rows = cursor.fetchall()
        else:
            columns = "id, flags, size_bytes, blob_id"
            rows = select_by_uid(cursor, columns, self.folder_id, self.uids)
            if self.even_unflagged:
                return rows
        return [row for row in rows if row[2] & Flag.DELETED]


def expunge(cursor: Any, folder_id: int, rows: Sequence[tuple[int, ...]]) -> Change | None:
    """Remove these rows (uid, id, flags, bytes, blob) of a locked folder; usage is the caller's."""
    if not rows:
        return None
    references.change(cursor, references_by_blob((row[4] for row in rows), -1))
    cursor.executemany(_DELETE, [(row[1],) for row in rows])
    uids = tuple(row[0] for row in rows)
    counts = count_flags((row[2], row[3]) for row in rows)
    change = Change(Kind.EXPUNGED, take_out(cursor, folder_id, uids, counts), uids=uids)
    changes.publish(folder_id, change)
    return change
