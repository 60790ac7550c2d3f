"""The operator's verbs that hurry mail: force, reset retries, set priority, change its way."""

from __future__ import annotations

from datetime import datetime, timedelta

from accounts import permissions
from accounts.permissions import Verb as Permission
from domains import directory as domain_directory
from domains.errors import Problem, ValuesRefused
from events.audit import Actor
from spool import priority as priority_rules
from spool import schedule, settings
from spool.changing import AT_ONCE, MANUAL_PRIORITY, Batch, Course, Done, Run, Skipped
from spool.models import Gateway, Route, SpoolChange, SpooledMessage, State
from spool.priority import HIGHEST, LOWEST
from spool.selection import Selection
from spool.ways import Way

Verb = SpoolChange.Verb

UNDO_FOR = timedelta(days=1)
# S-037: what is due again at once comes back at this pace, so that nobody is trampled down.
MESSAGES_PER_SECOND = 1_000
LONGEST_SPREAD = timedelta(seconds=60)


class PriorityOutOfRange(Exception):
    """P-001: outside 1 to 10."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value


def force(
    *, selection: Selection, by: Actor | None, now: datetime, course: Course = AT_ONCE
) -> Done:
    """Deliver now, before everything else; waits of retries and dead hosts are ignored (S-033).

    Throttled, held and being worked on stay as they are. Raises NotPermitted.
    """
    _require_operator(selection)

    def act(batch: Batch) -> None:
        for recipient in batch.free():
            if recipient.state == State.HELD:
                batch.skip(recipient, Skipped.HELD)
            elif recipient.state == State.THROTTLED:
                batch.skip(recipient, Skipped.THROTTLED)
            else:
                batch.take(recipient)
                recipient.is_forced = True
                recipient.due_at = now

    return Run(Verb.FORCE, by, now, selection, course=course).carry_out(act)


def reset_retries(
    *, selection: Selection, by: Actor | None, now: datetime, course: Course = AT_ONCE
) -> Done:
    """Start over: no failed tries, due now, patience anew (S-036). What has failed stays failed.

    Many at once become due over some seconds (S-037).
    """
    policy = settings.current().retries
    due_at = now
    acted = 0

    def act(batch: Batch) -> None:
        nonlocal due_at, acted
        for recipient in batch.free():
            if recipient.state == State.THROTTLED:
                batch.skip(recipient, Skipped.THROTTLED)
                continue
            batch.take(recipient)
            recipient.attempts = 0
            recipient.priority = _priority(batch.messages[recipient.message_id], failures=0)
            if not recipient.hold_reason:
                recipient.state = State.QUEUED
                recipient.due_at = due_at
        for message_id in batch.done:
            message = batch.messages[message_id]
            message.expires_at = schedule.expires_at(
                accepted_at=now, sender=message.sender, policy=policy
            )
            message.delay_notice_at = None
        _save(batch, ["expires_at", "delay_notice_at"])
        acted += len(batch.done)
        spread = timedelta(seconds=acted / MESSAGES_PER_SECOND)
        due_at = now + min(spread, LONGEST_SPREAD)

    return Run(Verb.RESET, by, now, selection, course=course).carry_out(act)


def set_priority(
    *,
    selection: Selection,
    priority: int | None,
    by: Actor | None,
    now: datetime,
    course: Course = AT_ONCE,
) -> Done:
    """By hand, 1 to 10; None: by the rules again (S-034). Whole messages, whoever was meant.

    Raises PriorityOutOfRange, NotPermitted.
    """
    if priority is not None and not LOWEST <= priority <= HIGHEST:
        raise PriorityOutOfRange(priority)
    _require_operator(selection)

    def act(batch: Batch) -> None:
        for recipient in batch.recipients:
            if recipient.state == State.DELETING:
                batch.skip(recipient, Skipped.DELETING)
                continue
            message = batch.messages[recipient.message_id]
            batch.take(recipient)
            batch.before[-1][MANUAL_PRIORITY] = message.manual_priority
            recipient.priority = priority or _priority(
                message, failures=recipient.attempts, manual=False
            )
        for message_id in batch.done:
            batch.messages[message_id].manual_priority = priority
        _save(batch, ["manual_priority"])

    words = "auto" if priority is None else str(priority)
    run = Run(Verb.PRIORITY, by, now, selection, parameter=words, undo_for=UNDO_FOR, course=course)
    return run.carry_out(act)


def change_way(
    *,
    selection: Selection,
    way: Way,
    by: Actor | None,
    now: datetime,
    course: Course = AT_ONCE,
) -> Done:
    """Send by another gateway, directly, or to one host, from the next try on.

    Raises ValuesRefused for a gateway that is not there or is switched off, NotPermitted.
    """
    _require_operator(selection)
    if way.gateway_id is not None:
        gateways = Gateway.objects.filter(pk=way.gateway_id, is_enabled=True)
        if not gateways.exists():
            raise ValuesRefused((Problem("gateway", "is not there, or switched off"),))

    def act(batch: Batch) -> None:
        for recipient in batch.free():
            if recipient.route != Route.REMOTE:
                batch.skip(recipient, Skipped.STAYS_HERE)
            else:
                batch.take(recipient)
                recipient.via = way.encode()

    run = Run(Verb.ROUTE, by, now, selection, parameter=str(way), undo_for=UNDO_FOR, course=course)
    return run.carry_out(act)


def _require_operator(selection: Selection) -> None:
    """U-002: what is before others' mail, or by which way, is not the customers' business."""
    if selection.actor is not None:
        permissions.require(selection.actor, Permission.MANAGE_SERVER)


def _priority(message: SpooledMessage, *, failures: int, manual: bool = True) -> int:
    domain = None if message.domain_id is None else domain_directory.policy(message.domain_id)
    return priority_rules.decide(
        kind=message.kind,
        size_bytes=message.size_bytes,
        failures=failures,
        rules=domain.priority if domain else None,
        manual=message.manual_priority if manual else None,
    ).value


def _save(batch: Batch, fields: list[str]) -> None:
    rows = [batch.messages[message_id] for message_id in sorted(batch.done)]
    if rows:
        SpooledMessage.objects.bulk_update(rows, fields)
