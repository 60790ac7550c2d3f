"""Durable notes as rows: kept in the transaction of the change, read again by cursor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone

from switchboard.models import Change
from switchboard.topics import Note, Topic

_WRITER = {"postgresql": "pg_current_xact_id()::text::bigint"}
_FIRST_RUNNING = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


@dataclass(frozen=True, slots=True)
class ChangeCursor:
    """How far a reader has come.

    Transactions below `writer` have all ended; `seen` are the ids read of later ones. Where there
    is one writer at a time (SQLite), `writer` is 0 and `last_id` alone counts.
    """

    writer: int = 0
    last_id: int = 0
    seen: frozenset[int] = frozenset()


def record(topic: Topic, key: int, payload: bytes) -> int:
    """Insert the row of a durable note in the caller's transaction; returns its id."""
    connection = connections[DEFAULT_DB_ALIAS]
    writer = _WRITER.get(connection.vendor, "0")
    changed_at = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO switchboard_change (topic, key, payload, writer, changed_at)"
            f" VALUES (%s, %s, %s, {writer}, %s) RETURNING id",
            (int(topic), key, payload, changed_at),
        )
        return int(cursor.fetchone()[0])


def changes_since(cursor: ChangeCursor | None) -> tuple[list[Note], ChangeCursor]:
    """Durable notes committed after `cursor`, each once, and the cursor to go on with.

    None: nothing, and the present end, to be taken before reading what the notes are about. Notes
    of transactions that committed in another order than they took their ids are found too.
    """
    if connections[DEFAULT_DB_ALIAS].vendor == "postgresql":
        return _since_on_postgresql(cursor)
    if cursor is None:
        last = Change.objects.order_by("-id").values_list("id", flat=True).first()
        return [], ChangeCursor(last_id=last or 0)
    rows = Change.objects.filter(id__gt=cursor.last_id).order_by("id")
    notes = [_note(row) for row in rows]
    return notes, ChangeCursor(last_id=notes[-1].change_id if notes else cursor.last_id)


def _since_on_postgresql(cursor: ChangeCursor | None) -> tuple[list[Note], ChangeCursor]:
    with connections[DEFAULT_DB_ALIAS].cursor() as sql:
        # One statement, so one snapshot: what it shows and what was still running belong together.
        sql.execute(
            f"SELECT {_FIRST_RUNNING}, id, topic, key, payload, writer"
            " FROM (SELECT 1) AS once"
            " LEFT JOIN switchboard_change ON writer >= COALESCE(%s,"
            f" {_FIRST_RUNNING}) ORDER BY id",
            (None if cursor is None else cursor.writer,),
        )
        rows = sql.fetchall()
    first_running = rows[0][0]
    rows = [row for row in rows if row[1] is not None]
    seen = frozenset(row[1] for row in rows if row[5] >= first_running)
    end = ChangeCursor(writer=first_running, seen=seen)
    if cursor is None:
        return [], end
    notes = [
        Note(Topic(topic), key, bytes(payload), change_id)
        for _, change_id, topic, key, payload, _ in rows
        if change_id not in cursor.seen
    ]
    return notes, end


def forget_before(moment: datetime) -> int:
    """Delete the rows of notes that every process must have read by now; returns how many."""
    return Change.objects.filter(changed_at__lt=moment).delete()[0]


def _note(row: Change) -> Note:
    return Note(Topic(row.topic), row.key, bytes(row.payload), row.id)
