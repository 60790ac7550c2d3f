"""Lines of the spool page: columns, pages and what a message's state is called (S-020…S-045)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Any

import msgspec

from blobs.ids import MAX_ID, encode_id
from clock.moments import from_micros, to_micros
from spool.models import NEVER, SpooledMessage, SpooledRecipient, State
from units import moments

MOST_NAMES = 2
CURSOR_CHARACTERS = 2_000


class View(StrEnum):
    ALL = "all"  # S-010
    WAITING = "waiting"  # S-011: not what is received or delivered this moment
    QUARANTINE = "quarantine"  # S-060


class Column(Enum):
    """What the list can be sorted by, and the message's field with the index for it (S-014)."""

    FILE_NAME = "id"
    SENDER = "sender"
    SIZE = "size_bytes"
    RECIPIENTS = "recipients_total"
    TIME_IN_SPOOL = "-id"
    ATTEMPTS = "attempts"
    NEXT_ATTEMPT = "next_at"
    STATUS = "worst_state"
    PRIORITY = "priority"
    SPOOL_PATH = "spool_path"
    REMOVED_AT = "quarantined_until"  # of what is in quarantine

    @property
    def field(self) -> str:
        return self.value.removeprefix("-")

    @property
    def is_reversed(self) -> bool:
        return self.value.startswith("-")


class CursorMalformed(Exception):
    """The text is no place in a list."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place behind (or, backward, before) one message in an order."""

    value: Any  # of the column
    message_id: int
    is_backward: bool = False

    def encode(self) -> str:
        value = to_micros(self.value) if isinstance(self.value, datetime) else self.value
        packed = msgspec.json.encode([value, self.message_id, self.is_backward])
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str, column: Column) -> Cursor:
        """Raises CursorMalformed for anything but what `encode` gave for that column."""
        if len(text) > CURSOR_CHARACTERS or not text.isascii():
            raise CursorMalformed
        try:
            packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            value, message_id, is_backward = msgspec.json.decode(
                packed, type=tuple[int | str, int, bool]
            )
        except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
            raise CursorMalformed from error
        wanted = str if column in (Column.SENDER, Column.SPOOL_PATH) else int
        numbers = [message_id] if isinstance(value, str) else [value, message_id]
        if not isinstance(value, wanted) or not all(0 <= one <= MAX_ID for one in numbers):
            raise CursorMalformed
        if column in (Column.NEXT_ATTEMPT, Column.REMOVED_AT):
            assert isinstance(value, int)
            if value > to_micros(NEVER):
                raise CursorMalformed
            return cls(from_micros(value), message_id, is_backward)
        return cls(value, message_id, is_backward)


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One line; times are of the row, not yet of the viewer's zone."""

    message_id: int
    sender: str  # "<>" for bounces (S-023)
    submitter: str  # the account that was logged in, or empty
    recipients: str  # the first ones, in words
    size_kb: int  # rounded up (S-024)
    delivered: int  # S-025: failed ones count in neither number
    total: int
    accepted_at: datetime
    time_in_spool: timedelta  # S-026
    attempts: int  # S-027
    next_at: datetime | None  # S-028; None: held, or being delivered now
    is_in_work: bool
    status: str  # S-045
    spool_path: str  # S-030
    priority: int  # S-039
    is_priority_manual: bool
    removed_at: datetime | None = None  # S-060; None: nothing of it is in quarantine

    @property
    def file_name(self) -> str:
        """S-022: the spool id; messages share segment files, so it is no file of its own."""
        return encode_id(self.message_id)


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[MessageRow]
    total: int  # S-013
    is_exact: bool  # no: about so many, or at least
    next: Cursor | None
    previous: Cursor | None

    @property
    def shown(self) -> str:
        """The foot of the table."""
        return f"{len(self.rows):,} of {'' if self.is_exact else '≈'}{self.total:,}"


def make_row(
    message: SpooledMessage,
    waiting: Sequence[SpooledRecipient] | None,
    *,
    now: datetime,
    is_as_written: bool = False,
    known: int | None = None,
) -> MessageRow:
    """`waiting` None: too many recipients to read; what was summed up last stands for them.

    `is_as_written`: recipients as the sender wrote them, whereto ever aliases lead. `known`: it is
    others' mail, of which so many recipients may be known, and not who was logged in.
    """
    total = message.recipients_total if known is None else known
    if waiting:
        due = [one.due_at for one in waiting if one.due_at and one.claimed_by is None]
        is_in_work = any(one.claimed_by is not None for one in waiting)
        next_at, attempts = min(due, default=None), max(one.attempts for one in waiting)
        priority, status = max(one.priority for one in waiting), message_status(waiting)
        addresses = [one.original_address if is_as_written else one.address for one in waiting]
        names = _names(addresses, len(waiting))
        moments_there = [one.quarantined_until for one in waiting if one.is_quarantined]
        removed_at = min(filter(None, moments_there), default=None)
    else:
        is_in_work = False
        next_at = None if message.next_at == NEVER else message.next_at
        attempts, priority = message.attempts, message.priority
        status = State(message.worst_state).label
        first = getattr(message, "first_recipient", None)
        names = _names([first] if first else [], total)
        removed_at = message.quarantined_until
    account = message.sender_account if known is None else None
    return MessageRow(
        message_id=message.pk,
        sender=message.sender or "<>",
        submitter="" if account is None else str(account),
        recipients=names,
        size_kb=-(-message.size_bytes // 1024),
        delivered=min(message.recipients_delivered, total),
        total=total,
        accepted_at=message.accepted_at,
        time_in_spool=max(now - message.accepted_at, timedelta(0)),
        attempts=attempts,
        next_at=next_at,
        is_in_work=is_in_work,
        status=status,
        spool_path=getattr(message, "area_path", None) or message.spool_path,
        priority=priority,
        is_priority_manual=message.manual_priority is not None,
        removed_at=removed_at,
    )


def message_status(waiting: Sequence[SpooledRecipient]) -> str:
    """The worst of the unfinished recipients, in words (S-045)."""
    going = [one for one in waiting if one.state == State.DELETING]
    waiting = [one for one in waiting if one.state != State.DELETING] or going
    worst = max(waiting, key=lambda one: (one.claimed_by is None and one.state, one.state))
    return recipient_status(worst)


def recipient_status(recipient: SpooledRecipient) -> str:
    """What becomes of one recipient at this moment, or has become of it (S-032, S-045)."""
    state = State(recipient.state)
    if recipient.was_removed:
        return "Removed from quarantine"
    if state >= State.DELIVERED or state == State.DELETING:
        return "Failed – bouncing" if state == State.BOUNCED else state.label
    if recipient.claimed_by is not None:
        where = recipient.destination
        return f"Delivering to {where}" if where else "Delivering locally"
    if recipient.is_quarantined:
        return f"Held (quarantine: {recipient.hold_reason})"
    if state == State.HELD:
        return f"Held ({recipient.hold_reason or recipient.reply})"
    if recipient.is_forced:
        return "Forced"
    if state == State.RETRYING:
        return f"Waiting to retry ({recipient.reply})"
    if state == State.THROTTLED:
        due_at = recipient.due_at
        return f"Throttled until {moments.in_words(due_at)}" if due_at else "Throttled"
    return "Queued"


def _names(addresses: Sequence[str], total: int) -> str:
    shown = ", ".join(addresses[:MOST_NAMES])
    more = total - min(len(addresses), MOST_NAMES)
    return shown + (f" and {more:,} more" if more > 0 else "")
