"""What lies in `lost+found`: looked through once, listed, deleted, forgotten in time (S-058)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from django.db import transaction
from django.db.models import QuerySet

from blobs import lostfound, reconcile
from blobs.errors import BadId
from blobs.ids import decode_id, time_of
from blobs.models import Area
from blobs.record import Broken, Found
from events import audit
from events.audit import Actor
from spool import lostenvelopes
from spool.lostenvelopes import Envelope, NoEnvelope
from spool.models import Kind, LostRecord, LostState, SpooledMessage

log = structlog.get_logger(__name__)

HEAD_BYTES = 256 * 1024
OPEN = (LostState.WAITING, LostState.NEEDLESS, LostState.KEPT)  # their bytes are still there

OF_MAILBOX = "it belongs to a mailbox, not to the spool"
NO_MAIL = "it is no message on its way: a program was saving it, and was not told that it is safe"
ACCEPTED = "it had been accepted: its recipients have it, or the spool has"
WRITTEN_ANEW = "it is a report about other mail, and is written anew when that is tried again"
NOTHING = "nothing in the file is missing elsewhere"


class LostUnknown(Exception):
    """Nothing of this id lies in `lost+found`."""

    def __init__(self, record_id: int) -> None:
        super().__init__(f"nothing in lost+found has the id {record_id}")
        self.record_id = record_id


@dataclass(frozen=True, slots=True)
class _Verdict:
    state: LostState
    reason: str = ""


def take_in(*, now: datetime) -> int:
    """Look through the files that nobody has looked through yet; how many records were found.

    May run in several processes at once.
    """
    known = set(LostRecord.objects.values_list("area_id", "file_name"))
    total = 0
    for area in Area.objects.order_by("id"):
        for path in reconcile.buried([area]):
            if (area.pk, path.name) in known:
                continue
            rows = list(_rows(area, path, now))
            LostRecord.objects.bulk_create(rows, ignore_conflicts=True)
            total += len(rows)
            for row in rows:
                log.info("found after a crash", record=str(row), state=row.state, reason=row.reason)
    return total


def waiting_since(moment: datetime) -> QuerySet[LostRecord]:
    """What waits to be put into the spool and was found at that moment or before."""
    rows = LostRecord.objects.filter(state=LostState.WAITING, found_at__lte=moment)
    return rows.select_related("area").order_by("id")


def count_kept() -> int:
    """What somebody should look at."""
    return LostRecord.objects.filter(state=LostState.KEPT).count()


def listed() -> QuerySet[LostRecord]:
    """All whose bytes are still there, oldest first."""
    return LostRecord.objects.filter(state__in=OPEN).select_related("area").order_by("id")


def known() -> QuerySet[LostRecord]:
    """The same and what has been dealt with since, until all of it is forgotten."""
    return LostRecord.objects.select_related("area")


def known_by_id(record_id: int) -> LostRecord:
    """Raises LostUnknown."""
    row = known().filter(pk=record_id).first()
    if row is None:
        raise LostUnknown(record_id)
    return row


def by_id(record_id: int) -> LostRecord:
    """Of what can still be acted on. Raises LostUnknown."""
    row = listed().filter(pk=record_id).first()
    if row is None:
        raise LostUnknown(record_id)
    return row


def path_of(row: LostRecord) -> Path:
    return row.area.directory / reconcile.LOST_AND_FOUND / row.file_name


def place_of(row: LostRecord) -> str:
    """The file as people are told of it: below the data folder."""
    return f"{row.area.path}/{reconcile.LOST_AND_FOUND}/{row.file_name}"


def delete(*, row: LostRecord, by: Actor | None) -> None:
    """For good: its bytes cannot be read any more. Raises LostUnknown."""
    with transaction.atomic():
        open_rows = LostRecord.objects.filter(pk=row.pk, state__in=OPEN)
        if not open_rows.update(state=LostState.DELETED, reason=""):
            raise LostUnknown(row.pk)
        audit.record(by, "deleted what a crash had left", row)
    path = path_of(row)
    if row.pk == decode_id(path.stem):
        for piece in lostfound.contents(path).broken:  # sound records may lie between them
            lostfound.blot_out(path, piece.offset, piece.end)
    else:
        lostfound.blot_out(path, row.offset, row.offset + row.length)
    let_go(row)


def let_go(row: LostRecord) -> None:
    """Remove its file if all that is in it has been dealt with; may be repeated after a crash."""
    of_file = LostRecord.objects.filter(area=row.area, file_name=row.file_name)
    if not of_file.filter(state__in=OPEN).exists():
        lostfound.remove(path_of(row))


def let_all_go() -> None:
    """Remove the files that a process which was killed had no more time to remove."""
    done = LostRecord.objects.exclude(state__in=OPEN).select_related("area")
    for row in {(row.area_id, row.file_name): row for row in done}.values():
        if path_of(row).exists():
            let_go(row)


def forget(*, before: datetime) -> int:
    """Remove the files that were found before that moment, and what is known of them."""
    young = LostRecord.objects.filter(found_at__gte=before).values_list("file_name", flat=True)
    areas = Area.objects.order_by("id")
    forgotten = reconcile.forget_buried(areas, before=before, keep=frozenset(young))
    old = LostRecord.objects.filter(found_at__lt=before).select_related("area")
    gone = [row.pk for row in old if not path_of(row).exists()]
    LostRecord.objects.filter(pk__in=gone).delete()
    return forgotten


def _rows(area: Area, path: Path, now: datetime) -> Iterator[LostRecord]:
    found = lostfound.contents(path)
    for record in found.records:
        yield _row_of_record(area, path, record, now)
    if found.broken or not found.records:
        yield from _row_of_rest(area, path, found.broken, now)


def _row_of_record(area: Area, path: Path, record: Found, now: datetime) -> LostRecord:
    row = LostRecord(
        id=record.header.blob_id,
        area=area,
        file_name=path.name,
        offset=record.offset,
        length=record.header.length,
        size_bytes=record.header.body_bytes,
        found_at=now,
        written_at=time_of(record.header.blob_id),
    )
    try:
        envelope = lostenvelopes.read(record.meta, blob_id=record.header.blob_id)
    except NoEnvelope as error:
        is_mail = bool(record.meta) and area.kind == Area.Kind.SPOOL
        verdict = _Verdict(LostState.KEPT, str(error) if is_mail else NO_MAIL)
    else:
        row.origin, row.sender = envelope.origin.value, envelope.sender[:330]
        row.recipients = envelope.addresses
        row.message_id = lostenvelopes.message_id_of(_head(path, record))
        verdict = _judge(area, envelope)
    row.state, row.reason = verdict.state, verdict.reason
    return row


def _judge(area: Area, envelope: Envelope) -> _Verdict:
    if area.kind != Area.Kind.SPOOL:
        return _Verdict(LostState.NEEDLESS, OF_MAILBOX)
    if SpooledMessage.objects.filter(pk=envelope.id).exists():
        return _Verdict(LostState.NEEDLESS, ACCEPTED)
    if envelope.kind is Kind.BOUNCE:
        return _Verdict(LostState.NEEDLESS, WRITTEN_ANEW)
    return _Verdict(LostState.WAITING)


def _row_of_rest(
    area: Area, path: Path, broken: list[Broken], now: datetime
) -> Iterator[LostRecord]:
    try:
        key = decode_id(path.stem)
    except BadId:
        log.error("no segment's name in lost+found", path=str(path))
        return
    start = broken[0].offset if broken else 0
    end = broken[-1].end if broken else 0
    reasons = ", ".join(dict.fromkeys(one.reason for one in broken))
    yield LostRecord(
        id=key,
        area=area,
        file_name=path.name,
        offset=start,
        length=end - start,
        size_bytes=sum(one.end - one.offset for one in broken),
        found_at=now,
        state=LostState.KEPT if broken else LostState.NEEDLESS,
        reason=f"incomplete or damaged: {reasons}"[:500] if broken else NOTHING,
    )


def _head(path: Path, record: Found) -> bytes:
    with path.open("rb") as file:
        file.seek(record.offset + record.header.body_start)
        return file.read(min(HEAD_BYTES, record.header.body_bytes))
