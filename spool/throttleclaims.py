"""Claimed recipients against the allowances of their senders: who may leave in this hour (T-002).

Runs in the transaction of the claim; mail of senders without limits costs no statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from blobs.ids import new_id
from clock.moments import from_micros
from protocols.smtp.outgoing import Outcome, Stage, Verdict
from protocols.smtp.replies import Reply
from spool import singly, summaries, throttle, throttlecounts, throttlecrossings, throttlepolicy
from spool.models import State, TraceEntry
from spool.statements import marks
from spool.throttle import Ask, Denial, Key
from spool.throttlepolicy import Payer
from spool.work import ClaimedRecipient, Reservation, Result, Work

THE_HOUR_ENDED = Reply(451, "4.3.2", "The hour ended before its turn came: it is taken up anew")

_RESERVE = "UPDATE spool_spooledrecipient SET throttle_hour = %s, throttle_bytes = %s WHERE id = %s"
_HOLD = (
    f"UPDATE spool_spooledrecipient SET state = {State.THROTTLED.value}, due_at = %s,"
    " reply = %s, attempts = attempts - 1, claimed_by = NULL, claimed_until = NULL,"
    " throttle_hour = NULL, throttle_bytes = NULL WHERE id IN ({ids})"
)
# Patience does not run while mail is held, counted once an hour however many recipients wait.
_EXTEND = (
    "UPDATE spool_spooledmessage SET expires_at = expires_at + %s -"
    " CASE WHEN throttled_until > %s THEN throttled_until ELSE %s END, throttled_until = %s"
    " WHERE id IN ({ids}) AND (throttled_until IS NULL OR throttled_until < %s)"
)

# What shares transactions: message, destination, who pays.
Group = tuple[int, str, tuple[Key, ...]]


@dataclass(slots=True)
class Admission:
    """A claim, divided."""

    admitted: list[ClaimedRecipient]
    held: list[tuple[ClaimedRecipient, Denial]] = field(default_factory=list)


def admit(
    cursor: Any,
    recipients: list[ClaimedRecipient],
    *,
    now: int,
    recipients_per_transaction: int,
) -> Admission:
    """In the order given. What is admitted has reserved its part; what is not waits an hour."""
    payers = _limited(recipients)
    lapsed = [one for one in recipients if one.reservation is not None]
    if lapsed:
        _drop_reservations(cursor, lapsed)
    if not payers:
        return Admission(recipients)
    hour = throttle.hour_of(now)
    known = {payer.key: payer for several in payers.values() for payer in several}
    allowances = {key: payer.allowance for key, payer in known.items()}
    windows = throttlecounts.open_windows(cursor, allowances, hour)
    admission = Admission([])
    changes = throttlecounts.no_changes()
    sharing: dict[Group, int] = {}
    for recipient in recipients:
        several = payers.get(recipient.recipient_id)
        if several is None:
            admission.admitted.append(recipient)
            continue
        keys = tuple(payer.key for payer in several)
        message = recipient.message
        group = (message.message_id, recipient.destination, keys)
        place = sharing.get(group, 0)
        is_alone = bool(recipient.return_path) or singly.may_go_singly(recipient)
        is_first = place % recipients_per_transaction == 0 or is_alone
        carried = message.size_bytes if is_first else 0
        denial = throttle.decide(Ask(keys, carried), windows)
        if denial is not None:
            admission.held.append((recipient, denial))
            continue
        sharing[group] = place + 1
        for key in keys:
            changes[key, hour][0] += 1
            changes[key, hour][1] += carried
        admission.admitted.append(replace(recipient, reservation=Reservation(hour, carried)))
    throttlecounts.change(cursor, changes)
    _reserve(cursor, [one for one in admission.admitted if one.recipient_id in payers])
    _hold(cursor, admission.held, known, now)
    return admission


def _limited(recipients: Iterable[ClaimedRecipient]) -> dict[int, tuple[Payer, ...]]:
    """By recipient: who pays, where at least one of them has a limit."""
    found: dict[int, tuple[Payer, ...]] = {}
    asked: dict[tuple[Key, ...], tuple[Payer, ...]] = {}
    for recipient in recipients:
        if not throttlepolicy.counts(recipient):
            continue
        keys = throttlepolicy.keys_of(recipient)
        payers = asked.get(keys)
        if payers is None:
            payers = throttlepolicy.payers(keys)
            if not any(payer.allowance.is_limited for payer in payers):
                payers = ()
            asked[keys] = payers
        if payers:
            found[recipient.recipient_id] = payers
    return found


def _drop_reservations(cursor: Any, lapsed: Sequence[ClaimedRecipient]) -> None:
    """What a process reserved whose claim has lapsed: nobody else will give it back."""
    changes = throttlecounts.no_changes()
    for recipient in lapsed:
        assert recipient.reservation is not None
        for key in throttlepolicy.keys_of(recipient):
            changes[key, recipient.reservation.hour][0] -= 1
            changes[key, recipient.reservation.hour][1] -= recipient.reservation.sent_bytes
    throttlecounts.change(cursor, changes)
    cursor.executemany(_RESERVE, [(None, None, one.recipient_id) for one in lapsed])


def _reserve(cursor: Any, admitted: Iterable[ClaimedRecipient]) -> None:
    rows = [
        (one.reservation.hour, one.reservation.sent_bytes, one.recipient_id)
        for one in admitted
        if one.reservation is not None
    ]
    if rows:
        cursor.executemany(_RESERVE, rows)


def _hold(
    cursor: Any,
    held: Sequence[tuple[ClaimedRecipient, Denial]],
    payers: dict[Key, Payer],
    now: int,
) -> None:
    if not held:
        return
    until = throttle.next_hour(now)
    ids = [recipient.recipient_id for recipient, _ in held]
    reply = f"Throttled until {throttle.until(now)}"
    cursor.execute(_HOLD.format(ids=marks(ids)), (until, reply, *ids))
    messages = {recipient.message.message_id: denial for recipient, denial in held}
    statement = _EXTEND.format(ids=marks(list(messages)))
    cursor.execute(statement, (until, now, now, until, *sorted(messages), until))
    _bring_lines_up_to_date(cursor, [recipient for recipient, _ in held])
    first = [
        _entry(message.message_id, messages[message.message_id], payers, now)
        for message in {
            recipient.message.message_id: recipient.message for recipient, _ in held
        }.values()
        if message.throttled_until is None
    ]
    TraceEntry.objects.bulk_create(first)
    reached = {(denial.key, denial.reason): denial for _, denial in reversed(held)}
    for (key, reason), denial in sorted(reached.items()):
        throttlecrossings.record(
            cursor, payers[key], reason, used=denial.used, allowed=denial.allowed, now=now
        )


def _bring_lines_up_to_date(cursor: Any, held: Iterable[ClaimedRecipient]) -> None:
    """What the spool page sorts by; the lines of very large messages follow now and then."""
    messages = {one.message.message_id: one.message.recipients_total for one in held}
    small = [number for number, total in messages.items() if total <= summaries.LARGE]
    summaries.refresh(cursor, sorted(small))


def _entry(message_id: int, denial: Denial, payers: dict[Key, Payer], now: int) -> TraceEntry:
    """Told once of each message, with the numbers that decided."""
    return TraceEntry(
        id=new_id(),
        message_id=message_id,
        at=from_micros(now),
        actor="throttling",
        decision="throttled",
        detail={
            "who": payers[denial.key].who,
            "reason": denial.reason.value,
            "used": denial.used,
            "allowed": denial.allowed,
            "until": throttle.until(now),
        },
    )


def has_lapsed(work: Work, now: int) -> bool:
    """Whether what is about to be sent was reserved in an hour that is over (T-010)."""
    hour = throttle.hour_of(now)
    return any(
        one.reservation is not None and one.reservation.hour != hour for one in work.recipients
    )


def give_up_turn(work: Work, now: int) -> list[Result]:
    """Not a try: it is claimed again at once, in the hour that it is now."""
    outcome = Outcome(Verdict.DEFERRED, THE_HOUR_ENDED, Stage.CONNECT, by_peer=False)
    return [Result(one, outcome, now, now, is_returned=True) for one in work.recipients]
