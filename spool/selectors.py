"""What waits in the spool, as the panel, the API and commands show it (S-010…S-030)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from spool.models import SpooledMessage, SpooledRecipient, State


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """One row of the spool page."""

    message_id: int
    sender: str
    recipients: str  # the first ones, in words
    size_kb: int  # rounded up
    done: int  # S-025: failed ones count in neither number
    total: int
    attempts: int  # S-027: the most of any unfinished recipient
    due_at: datetime | None  # S-028: the earliest; None: in work or held
    priority: int
    status: str  # S-045
    accepted_at: datetime


def count_waiting() -> int:
    return SpooledMessage.objects.filter(finished_at=None).count()


def waiting(*, limit: int, after: int = 0) -> list[WaitingMessage]:
    """In the order of acceptance, from behind the id `after` on; two queries however long."""
    messages = list(
        SpooledMessage.objects.filter(finished_at=None, id__gt=after).order_by("id")[:limit]
    )
    by_message: defaultdict[int, list[SpooledRecipient]] = defaultdict(list)
    recipients = SpooledRecipient.objects.filter(message__in=messages, state__lt=State.DELIVERED)
    for recipient in recipients.order_by("id"):
        by_message[recipient.message_id].append(recipient)
    return [_row(message, by_message[message.pk]) for message in messages]


def _row(message: SpooledMessage, unfinished: list[SpooledRecipient]) -> WaitingMessage:
    due = [one.due_at for one in unfinished if one.due_at is not None and one.claimed_by is None]
    return WaitingMessage(
        message_id=message.pk,
        sender=message.sender,
        recipients=_names(unfinished),
        size_kb=-(-message.size_bytes // 1024),
        done=message.recipients_delivered,
        total=message.recipients_total,
        attempts=max((one.attempts for one in unfinished), default=0),
        due_at=min(due, default=None),
        priority=max((one.priority for one in unfinished), default=5),
        status=_status(unfinished),
        accepted_at=message.accepted_at,
    )


def _names(recipients: list[SpooledRecipient]) -> str:
    names = [one.address for one in recipients[:2]]
    more = len(recipients) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _status(unfinished: list[SpooledRecipient]) -> str:
    """S-045: the worst of the unfinished recipients, in words."""
    in_work = [one for one in unfinished if one.claimed_by is not None]
    for state, words in (
        (State.HELD, "Held ({})"),
        (State.RETRYING, "Waiting to retry ({})"),
        (State.THROTTLED, "{}"),
    ):
        found = next((one for one in unfinished if one.state == state), None)
        if found is not None and found not in in_work:
            return "Forced" if found.is_forced else words.format(found.reply)
    if in_work:
        where = in_work[0].destination
        return f"Delivering to {where}" if where else "Delivering locally"
    return "Forced" if any(one.is_forced for one in unfinished) else "Queued"
