"""What keeps the server's own house in order: room on the disk, old traces, old notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from blobs import reconcile, sweep
from blobs.ids import first_id_at
from clock.moments import to_micros
from domains import renaming
from events import occurrences
from mailboxes.pruning import forget_expunged
from spool import deleting, ledgersums, lost, settings, spacewarnings, throttle
from spool.models import RefusedMail, SpooledMessage, ThrottleCrossing, ThrottleHour
from switchboard import changes

log = structlog.get_logger(__name__)

# Every process re-reads durable notes each second; an hour leaves room for one that hung.
NOTES_KEPT = timedelta(hours=1)
OCCURRENCES_KEPT = timedelta(days=30)  # E-049
# Rows of one transaction: on SQLite nobody else writes meanwhile.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Done:
    """How many rows or files went."""

    blobs: int
    segments: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows went, and files of lost+found."""

    traces: int
    refusals: int
    notes: int
    lost_files: int
    occurrences: int
    ledger_hours: int


def recover(*, now: datetime) -> int:
    """At start: look for records without rows and rows without records (S-058); how many.

    A record without a row was never answered with 250, for the rows are committed before the
    reply: its sender may still have the message, and send it again. So such bytes go to
    `lost+found` for now, from where `spool.requeueing` brings what has not come again. A row whose
    record is gone or damaged is reported, never fatal. A message that has been with all its
    recipients is let go.
    """
    report = reconcile.reconcile(now=now)
    for missing in report.missing:
        log.error("record missing", blob=missing.blob_id)
    for damage in report.damages:
        log.error("record damaged", segment=str(damage.path), what=str(damage.broken))
    if report.orphans:
        buried = reconcile.bury([orphan.path for orphan in report.orphans])
        log.info(
            "records of unfinished acceptances put into lost+found",
            records=len(report.orphans),
            files=len(buried),
        )
    lost.take_in(now=now)
    if finished := deleting.finish_forgotten(now=now):
        log.warning("messages that nobody waits for were still in the spool", messages=finished)
    return len(report.missing) + len(report.damages)


def keep_house(*, now: datetime) -> Done:
    """One round, in short transactions; may run in several processes at once."""
    renaming.mend(now=now)
    swept = sweep.sweep(now=now)
    forget_expunged()
    spacewarnings.warn_all()
    return Done(swept.blobs, swept.segments)


def forget_old_rows(*, now: datetime) -> Forgotten:
    """What has been kept long enough, in short transactions; may run twice at once."""
    policy = settings.current()
    before = now - policy.trace_retention
    _forget_hours(before)
    ledgersums.add_up(now=now)
    return Forgotten(
        traces=_delete_in_batches(lambda: _delete_traces(before)),
        refusals=_delete_in_batches(lambda: _delete_refusals(before)),
        notes=changes.forget_before(now - NOTES_KEPT),
        lost_files=lost.forget(before=before),
        occurrences=_delete_in_batches(
            lambda: occurrences.forget_before(now - OCCURRENCES_KEPT, at_once=BATCH)
        ),
        ledger_hours=_delete_in_batches(
            lambda: ledgersums.fold(before=now - policy.ledger_retention, at_once=BATCH)
        ),
    )


def _delete_in_batches(delete: Callable[[], int]) -> int:
    total = 0
    while count := delete():
        total += count
    return total


def _delete_traces(before: datetime) -> int:
    """Finished messages whose retention has ended, with all that hangs on them.

    Ids grow with time, so what is older than `before` is a range of the primary key.
    """
    old = SpooledMessage.objects.filter(id__lt=first_id_at(before), finished_at__lt=before)
    with transaction.atomic():
        ids = list(old.order_by("id").values_list("id", flat=True)[:BATCH])
        if ids:
            SpooledMessage.objects.filter(id__in=ids).delete()
    return len(ids)


def _delete_refusals(before: datetime) -> int:
    old = RefusedMail.objects.filter(id__lt=first_id_at(before))
    with transaction.atomic():
        ids = list(old.order_by("id").values_list("id", flat=True)[:BATCH])
        if ids:
            RefusedMail.objects.filter(id__in=ids).delete()
    return len(ids)


def _forget_hours(before: datetime) -> None:
    """Counts of limited senders: a few rows an hour."""
    hour = throttle.hour_of(to_micros(before))
    ThrottleHour.objects.filter(hour__lt=hour).delete()
    ThrottleCrossing.objects.filter(hour__lt=hour).delete()
