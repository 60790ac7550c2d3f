"""One message of the spool to look at: safe text, source, recipients and tries (S-031, S-032)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import User
from blobs.ids import encode_id
from blobs.store import locate, read_body
from events import audit
from events.audit import Actor
from protocols.message import reading
from protocols.message.reading import Readable
from spool.changing import leave_trace
from spool.errors import MessageGone
from spool.listing import recipient_status
from spool.models import DeliveryAttempt, Gateway, SpooledMessage, SpooledRecipient
from spool.selection import recipients_for
from spool.ways import Way, WayMalformed

# What is behind that is in the download only.
SHOWN_BYTES = 2 * 1024 * 1024
MOST_RECIPIENTS = 1_000
MOST_TRIES = 50  # of one recipient, latest last


@dataclass(frozen=True, slots=True)
class MessageView:
    """What a person sees of a message; all of it is hostile text."""

    message: SpooledMessage
    readable: Readable
    source: str
    is_cut: bool  # the message is longer than what is shown


@dataclass(frozen=True, slots=True)
class RecipientView:
    """One recipient and what has been tried for it."""

    recipient_id: int
    address: str
    original_address: str
    status: str
    is_ended: bool
    attempts: int
    next_at: datetime | None  # None: ended, held or being delivered now
    reply: str
    way: str  # in words: by which way it goes, or will go
    priority: int
    tries: tuple[DeliveryAttempt, ...]
    removed_at: datetime | None = None  # None: it is not in quarantine

    @property
    def last_try(self) -> DeliveryAttempt | None:
        """With code, host, address and TLS of the last reply."""
        return self.tries[-1] if self.tries else None


def view(*, message: SpooledMessage, by: Actor | None, now: datetime) -> MessageView:
    """Headers and safe text; who looked is on record. Raises StoreError, MessageGone."""
    content = _read(message, SHOWN_BYTES)
    _record(message, "viewed", by, now)
    return MessageView(
        message=message,
        readable=reading.read(content),
        source=content.decode("utf-8", "replace"),
        is_cut=message.size_bytes > SHOWN_BYTES,
    )


def download(*, message: SpooledMessage, by: Actor | None, now: datetime) -> tuple[str, bytes]:
    """Name and bytes of `<id>.eml`; on record too. Raises StoreError, MessageGone."""
    content = _read(message, None)
    _record(message, "downloaded", by, now)
    return f"{encode_id(message.pk)}.eml", content


def recipients(
    actor: User | None, message: SpooledMessage, *, after: int = 0, limit: int = MOST_RECIPIENTS
) -> list[RecipientView]:
    """In the order of their ids, from behind `after` on; three queries however many."""
    rows = recipients_for(actor).filter(message=message, id__gt=after).order_by("id")
    found = list(rows[: min(limit, MOST_RECIPIENTS)])
    tries: dict[int, list[DeliveryAttempt]] = {row.pk: [] for row in found}
    for attempt in DeliveryAttempt.objects.filter(recipient__in=found).order_by("id"):
        tries[attempt.recipient_id].append(attempt)
    return views_of(found, tries)


def views_of(
    recipients: Sequence[SpooledRecipient], tries: Mapping[int, Sequence[DeliveryAttempt]]
) -> list[RecipientView]:
    """For rows that have been read already, with their tries by recipient."""
    gateways = dict(Gateway.objects.values_list("id", "name"))
    return [_recipient_view(row, tries[row.pk][-MOST_TRIES:], gateways) for row in recipients]


def _read(message: SpooledMessage, limit: int | None) -> bytes:
    location = None if message.blob_id is None else locate([message.blob_id]).get(message.blob_id)
    if location is None:
        raise MessageGone(message.pk)
    return read_body(location, 0, limit)


@transaction.atomic
def _record(message: SpooledMessage, verb: str, by: Actor | None, now: datetime) -> None:
    audit.record(by, f"{verb} mail in the spool", message, {
        "sender": (message.sender, message.sender),
        "message_id": (message.message_id, message.message_id),
    })  # fmt: skip
    leave_trace([message], verb, by=by, now=now)


def _recipient_view(
    recipient: SpooledRecipient, tries: Sequence[DeliveryAttempt], gateways: dict[int, str]
) -> RecipientView:
    is_ended = recipient.ended_at is not None
    is_waiting = not is_ended and recipient.claimed_by is None
    return RecipientView(
        recipient_id=recipient.pk,
        address=recipient.address,
        original_address=recipient.original_address,
        status=recipient_status(recipient),
        is_ended=is_ended,
        attempts=recipient.attempts,
        next_at=recipient.due_at if is_waiting else None,
        reply=recipient.reply,
        way=_way(recipient, gateways),
        priority=recipient.priority,
        tries=tuple(tries),
        removed_at=recipient.quarantined_until if recipient.is_quarantined else None,
    )


def _way(recipient: SpooledRecipient, gateways: dict[int, str]) -> str:
    try:
        way = Way.parse(recipient.via)
    except WayMalformed:
        way = Way()
    if way.gateway_id is not None:
        return f"gateway {gateways.get(way.gateway_id, way.gateway_id)}, chosen by hand"
    if way.is_direct:
        return f"the servers of {recipient.destination}, chosen by hand"
    if way.host:
        return f"{way.host}:{way.port}, chosen by hand"
    if not recipient.destination:
        return "a mailbox of this server"
    return f"{recipient.destination}, by the rules"
