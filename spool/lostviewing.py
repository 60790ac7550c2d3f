"""What a crash has left, to look at: what becomes of it and when, and its text (S-058)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blobs import lostfound
from blobs.errors import BlobGone
from blobs.models import Area
from events import audit
from events.audit import Actor
from protocols.message import reading
from protocols.message.reading import Readable
from spool import lost, requeueing, settings
from spool.models import LostRecord, LostState
from spool.viewing import SHOWN_BYTES


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a record by itself, and what can be done about it."""

    requeue_at: datetime | None  # then, unless it comes again; None: not by itself
    patience_until: datetime | None  # so long for recipients who cannot be reached; None likewise
    forget_at: datetime  # its bytes, and what is known of it
    is_open: bool  # its bytes are there, and can be deleted
    is_message: bool  # it can be read, and put into the spool


@dataclass(frozen=True, slots=True)
class LostView:
    """What a person sees of a message; all of it is hostile text."""

    readable: Readable
    source: str
    is_cut: bool  # the message is longer than what is shown


def fate(row: LostRecord) -> Fate:
    is_waiting = row.state == LostState.WAITING
    is_open = row.state in lost.OPEN
    return Fate(
        requeue_at=row.found_at + requeueing.WAIT if is_waiting else None,
        patience_until=row.found_at + requeueing.PATIENCE if is_waiting else None,
        forget_at=row.found_at + settings.current().trace_retention,
        is_open=is_open,
        is_message=is_open and _is_mail(row),
    )


def view(*, row: LostRecord, by: Actor | None) -> LostView:
    """Headers and safe text; who looked is on record. Raises StoreError.

    What programs were saving in mailboxes is none of the operator's business, as if it were gone.
    """
    if row.state not in lost.OPEN or not _is_mail(row):
        raise BlobGone([row.pk])
    content = _read(row)
    audit.record(by, "viewed what a crash had left", row, {"sender": (row.sender, row.sender)})
    return LostView(
        readable=reading.read(content),
        source=content.decode("utf-8", "replace"),
        is_cut=row.size_bytes > len(content),
    )


def _is_mail(row: LostRecord) -> bool:
    return bool(row.recipients) and row.area.kind == Area.Kind.SPOOL


def _read(row: LostRecord) -> bytes:
    path = lost.path_of(row)
    found = lostfound.record_at(path, row.offset, row.pk)
    content = bytearray()
    for piece in lostfound.body_of(path, found):
        content += piece
        if len(content) >= SHOWN_BYTES:
            break
    return bytes(content[:SHOWN_BYTES])
