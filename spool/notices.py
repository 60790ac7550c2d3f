"""Telling senders that their mail is late (S-049)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from blobs.committer import Job
from clock.moments import to_micros, utc_now
from spool import bounce
from spool.acceptance import Acceptance
from spool.claims import read_details, select_details
from spool.models import SpooledRecipient, State, TraceEntry
from spool.settlement import ClaimLost, write_entries
from spool.work import Entry

AT_ONCE = 100

_DUE = (
    "SELECT id FROM spool_spooledmessage WHERE finished_at IS NULL"
    " AND delay_notice_at IS NOT NULL AND delay_notice_at <= %s ORDER BY delay_notice_at LIMIT %s"
)
_SENT = (
    "UPDATE spool_spooledmessage SET delay_notice_at = NULL"
    " WHERE id = %s AND delay_notice_at IS NOT NULL"
)
_DUE_STILL = "UPDATE spool_spooledmessage SET delay_notice_at = %s WHERE id = %s"


@dataclass(slots=True, kw_only=True, eq=False)
class DelayNotice(Job):
    """The notice and the mark that it was sent; refused if another process was faster."""

    message_id: int
    now: int
    report: Acceptance | None
    told: frozenset[str] = frozenset()  # who had been named when this notice was written
    entries: list[Entry] = field(default_factory=list)

    @staticmethod
    def write_rows(jobs: Sequence[DelayNotice], cursor: Any) -> None:
        going = []
        for job in jobs:
            cursor.execute(_SENT, (job.message_id,))
            is_going = bool(cursor.rowcount)
            # The row is locked now. Another process may have sent a notice after this one was
            # written, and a further failure may have armed the next: that one is written anew.
            if is_going and _told_already(job.message_id) != job.told:
                cursor.execute(_DUE_STILL, (job.now, job.message_id))
                is_going = False
            if is_going:
                going.append(job)
            else:
                job.error = ClaimLost()
        reports = [job.report for job in going if job.report is not None]
        if reports:
            Acceptance.write_rows(reports, cursor)
        write_entries(cursor, [(job.now, entry) for job in going for entry in job.entries])


def due(cursor: Any, *, now: int) -> list[int]:
    """Messages whose senders are to be told now."""
    cursor.execute(_DUE, (now, AT_ONCE))
    return [row[0] for row in cursor.fetchall()]


def prepare(cursor: Any, message_id: int) -> DelayNotice:
    """The notice about everybody who still waits after a failed try and was not yet named.

    Asks the directories, so in a thread.
    """
    told = _told_already(message_id)
    rows = SpooledRecipient.objects.filter(message_id=message_id, state=State.RETRYING)
    waiting = {row.pk: row.reply for row in rows if _wants_notice(row) and row.address not in told}
    now = to_micros(utc_now())
    if not waiting:
        return DelayNotice(message_id=message_id, now=now, report=None, told=told)
    recipients = read_details(select_details(cursor, list(waiting)), {})
    report = bounce.make_delay_notice(
        recipients[0].message, [(one, waiting[one.recipient_id]) for one in recipients]
    )
    return DelayNotice(
        message_id=message_id,
        now=now,
        report=report.acceptance,
        told=told,
        entries=report.entries,
        records=report.records,
    )


def _wants_notice(row: SpooledRecipient) -> bool:
    return not row.notify or "DELAY" in row.notify


def _told_already(message_id: int) -> frozenset[str]:
    entries = TraceEntry.objects.filter(message_id=message_id, decision="report sent")
    return frozenset(
        about["recipient"]
        for entry in entries
        for about in entry.detail.get("about", ())
        if about["action"] == "delayed"
    )
