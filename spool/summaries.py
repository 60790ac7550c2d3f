"""What the spool page sorts messages by, kept apart from the hot path (S-004, S-014)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import connection, transaction

from blobs.committer import Job
from blobs.ids import first_id_at
from clock.moments import to_micros
from spool.models import NEVER, SpooledMessage, State
from spool.statements import marks

LISTED_AFTER = timedelta(seconds=1)
BATCH = 500
# The recipients of a larger message are not gone through with every batch of results: its line
# is brought up to date now and then.
LARGE = 1000
LARGE_AT_ONCE = 20

_SUMMARISE = (
    "SELECT message_id,"
    f" COALESCE(MAX(CASE WHEN state = {State.DELETING.value} THEN NULL ELSE state END),"
    f" {State.DELETING.value}), MAX(attempts), MIN(COALESCE(due_at, {to_micros(NEVER)})),"
    f" MAX(priority), MIN(CASE WHEN state = {State.HELD.value} THEN quarantined_until END)"
    " FROM spool_spooledrecipient"
    f" WHERE message_id IN ({{ids}}) AND state < {State.DELIVERED.value} GROUP BY message_id"
)
_UPDATE = (
    "UPDATE spool_spooledmessage SET is_listed = TRUE, worst_state = %s, attempts = %s,"
    " next_at = %s, priority = %s, quarantined_until = %s WHERE id = %s"
)
_PATHS = (
    "SELECT a.path, m.id FROM spool_spooledmessage m JOIN blobs_blob b ON b.id = m.blob_id"
    " JOIN blobs_segment s ON s.id = b.segment_id JOIN blobs_area a ON a.id = s.area_id"
    " WHERE m.id IN ({ids}) ORDER BY m.id"
)
_SET_PATH = "UPDATE spool_spooledmessage SET spool_path = %s WHERE id = %s"
_SET_LISTED = "UPDATE spool_spooledmessage SET is_listed = TRUE WHERE id IN ({ids})"
_UNLISTED = (
    "SELECT id FROM spool_spooledmessage WHERE finished_at IS NULL AND NOT is_listed AND id < %s"
    " ORDER BY id LIMIT %s"
)


def refresh(cursor: Any, message_ids: Sequence[int]) -> None:
    """Sum the messages' unfinished recipients up anew, in the caller's transaction."""
    if not message_ids:
        return
    cursor.execute(_SUMMARISE.format(ids=marks(message_ids)), list(message_ids))
    rows = sorted(cursor.fetchall())
    if rows:
        cursor.executemany(_UPDATE, [(*values, message_id) for message_id, *values in rows])


@dataclass(slots=True, kw_only=True, eq=False)
class ListWaiting(Job):
    """Put on the page what has waited for a second; its result is how many messages."""

    waits_for_disk: ClassVar[bool] = False

    now: datetime

    @staticmethod
    def write_rows(jobs: Sequence[ListWaiting], cursor: Any) -> None:
        for job in jobs:
            job.result = _list_batch(cursor, job.now)


@dataclass(slots=True, kw_only=True, eq=False)
class RefreshLarge(Job):
    """Bring the lines of messages with a great many recipients up to date."""

    waits_for_disk: ClassVar[bool] = False

    @staticmethod
    def write_rows(jobs: Sequence[RefreshLarge], cursor: Any) -> None:
        refresh(cursor, large_messages())


def large_messages() -> list[int]:
    large = SpooledMessage.objects.filter(
        finished_at=None, is_listed=True, recipients_total__gt=LARGE
    )
    largest_first = large.order_by("-recipients_total", "-id")
    return list(largest_first.values_list("id", flat=True)[:LARGE_AT_ONCE])


def has_unlisted(*, now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_UNLISTED, (first_id_at(now - LISTED_AFTER), 1))
        return cursor.fetchone() is not None


def list_all(*, now: datetime) -> int:
    """The same for code without a committer, such as a command: everything there is."""
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            count = _list_batch(cursor, now)
        total += count
        if count < BATCH:
            return total


def _list_batch(cursor: Any, now: datetime) -> int:
    cursor.execute(_UNLISTED, (first_id_at(now - LISTED_AFTER), BATCH))
    ids = [row[0] for row in cursor.fetchall()]
    if ids:
        refresh(cursor, ids)
        cursor.execute(_PATHS.format(ids=marks(ids)), ids)
        if paths := cursor.fetchall():
            cursor.executemany(_SET_PATH, paths)
        cursor.execute(_SET_LISTED.format(ids=marks(ids)), ids)
    return len(ids)
