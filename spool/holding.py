"""Holding mail back, in quarantine too, and letting it go: by hand, and by standing rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from domains.errors import Problem, ValuesRefused
from domains.models import Domain
from events import audit
from events.audit import Actor
from spool import quarantine as from_quarantine
from spool import settings
from spool.changing import AT_ONCE, Act, Batch, Course, Done, Run, Skipped
from spool.configuration import SPOOL
from spool.models import HoldRule, SpoolChange, SpooledMessage, SpooledRecipient, State
from spool.selection import NothingSelected, Selection, SpoolFilter, Status
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Verb = SpoolChange.Verb

UNDO_FOR = timedelta(days=1)
MOST_RULES = 500  # each accepted message is compared with all of them
REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class NewHoldRule:
    """At least one of the first four says which mail; `until` None: until it is removed."""

    sender: str = ""
    recipient: str = ""
    destination: str = ""
    domain: Domain | None = None
    reason: str = ""
    until: datetime | None = None
    quarantines: bool = False  # what it catches is put in quarantine, and stays there


class RuleFitsAll(NothingSelected):
    """It would catch every message: the whole spool is held as such (S-041)."""

    def __str__(self) -> str:
        return "the rule does not say which mail it catches"


def hold(
    *,
    selection: Selection,
    reason: str,
    by: Actor | None,
    now: datetime,
    course: Course = AT_ONCE,
) -> Done:
    """Keep back until it is released; what is being tried now is held if the try fails.

    Raises ValuesRefused for a missing reason.
    """
    reason = _checked_reason(reason)
    run = Run(Verb.HOLD, by, now, selection, parameter=reason, undo_for=UNDO_FOR, course=course)
    return run.carry_out(_holding(reason))


def quarantine(
    *,
    selection: Selection,
    reason: str,
    by: Actor | None,
    now: datetime,
    course: Course = AT_ONCE,
) -> Done:
    """Hold for as many days as the setting says, then remove without a report (S-060).

    What is held already goes there as well. Raises ValuesRefused for a missing reason.
    """
    reason = _checked_reason(reason)
    run = Run(Verb.QUARANTINE, by, now, selection, reason, undo_for=UNDO_FOR, course=course)
    return run.carry_out(_quarantining(reason, now=now))


def release(
    *, selection: Selection, by: Actor | None, now: datetime, course: Course = AT_ONCE
) -> Done:
    """Put back into the queue what an operator or a rule holds: it is due now.

    What is in quarantine only where that is meant: by marked messages, or by a filter for it. So
    that whoever lets a spool go again that was held as a whole does not let spam go.
    """
    is_meant = bool(selection.ids) or selection.filter.status is Status.QUARANTINE

    def act(batch: Batch) -> None:
        patient: set[int] = set()
        for recipient in batch.recipients:
            if recipient.state == State.DELETING:
                batch.skip(recipient, Skipped.DELETING)
            elif not recipient.hold_reason:
                batch.skip(recipient, Skipped.NOT_HELD)
            elif recipient.quarantined_until is not None and not is_meant:
                batch.skip(recipient, Skipped.QUARANTINED)
            else:
                message = batch.messages[recipient.message_id]
                if from_quarantine.give_patience_back(recipient, message, now=batch.now):
                    patient.add(message.pk)
                _release(batch, recipient)
        if patient:
            rows = [batch.messages[key] for key in sorted(patient)]
            SpooledMessage.objects.bulk_update(rows, ["expires_at"])

    run = Run(Verb.RELEASE, by, now, selection, undo_for=UNDO_FOR, course=course)
    return run.carry_out(act)


def add_rule(*, new: NewHoldRule, by: Actor | None, now: datetime) -> tuple[HoldRule, Done]:
    """A standing rule: catches mail as it is accepted, and what is in the spool already.

    Raises ValuesRefused, RuleFitsAll.
    """
    rule = create_rule(new=new, by=by, now=now)
    return rule, apply_rule(rule, by=by, now=now)


def create_rule(*, new: NewHoldRule, by: Actor | None, now: datetime) -> HoldRule:
    """The first half of `add_rule`: catches what is accepted from now on."""
    reason = _checked_reason(new.reason)
    if not (new.sender or new.recipient or new.destination or new.domain):
        raise RuleFitsAll
    if new.until is not None and new.until <= now:
        raise ValuesRefused((Problem("until", "lies in the past"),))
    with transaction.atomic():
        if HoldRule.objects.count() >= MOST_RULES:
            raise ValuesRefused((Problem("rule", f"there are {MOST_RULES} already"),))
        rule = HoldRule.objects.create(
            sender=new.sender.lower(),
            recipient=new.recipient.lower(),
            destination=new.destination.lower(),
            domain=new.domain,
            reason=reason,
            until=new.until,
            quarantines=new.quarantines,
            created_at=now,
        )
        audit.record(by, "added hold rule", rule, {"reason": ("", reason)})
        _tell()
    return rule


def remove_rule(*, rule: HoldRule, by: Actor | None, now: datetime) -> Done:
    """Nothing is caught any more, and what the rule holds is released.

    What it put in quarantine stays there.
    """
    return release_caught(drop_rule(rule=rule, by=by), by=by, now=now)


def drop_rule(*, rule: HoldRule, by: Actor | None) -> int:
    """The first half of `remove_rule`: nothing is caught any more. The rule's number."""
    rule_id = rule.pk
    with transaction.atomic():
        audit.record(by, "removed hold rule", rule, _kept(rule))
        rule.delete()
        _tell()
    return rule_id


def caught_by(rule_id: int) -> list[int]:
    """The ids of the messages that it holds."""
    held = SpooledRecipient.objects.filter(hold_rule=rule_id, state__lt=State.DELIVERED)
    return list(held.order_by("message_id").values_list("message_id", flat=True).distinct())


def release_caught(
    rule_id: int, *, by: Actor | None, now: datetime, course: Course = AT_ONCE
) -> Done:
    """What that rule holds goes back into the queue."""
    ids = caught_by(rule_id)
    if not ids:
        return Done()

    def act(batch: Batch) -> None:
        for recipient in batch.recipients:
            if recipient.hold_rule == rule_id and recipient.state != State.DELETING:
                _release(batch, recipient)

    return Run(Verb.RELEASE, by, now, Selection.of(ids), course=course).carry_out(act)


def keep_rules(*, now: datetime) -> int:
    """End rules whose time is over; let mail go that a rule caught while it was being removed."""
    over = list(HoldRule.objects.filter(until__lte=now))
    for rule in over:
        remove_rule(rule=rule, by=None, now=now)
    rules = set(HoldRule.objects.values_list("id", flat=True))
    caught = SpooledRecipient.objects.filter(hold_rule__isnull=False, state__lt=State.DELIVERED)
    for rule_id in set(caught.values_list("hold_rule", flat=True).distinct()) - rules:
        if rule_id is not None:
            release_caught(rule_id, by=None, now=now)
    return len(over)


def meant_by(rule: HoldRule) -> Selection:
    """What an index can find is narrowed down; what fits is decided as for new mail."""
    destination = "" if rule.destination.startswith(".") else rule.destination
    narrowed = SpoolFilter(sender=rule.sender, destination=destination)
    return Selection.everything() if narrowed.is_empty else Selection.matching(narrowed)


def apply_rule(
    rule: HoldRule, *, by: Actor | None, now: datetime, course: Course = AT_ONCE
) -> Done:
    """To what is in the spool already."""
    policy = settings.hold_policy(rule)

    def fits(batch: Batch, recipient: SpooledRecipient) -> bool:
        message = batch.messages[recipient.message_id]
        return policy.fits(
            sender=message.sender,
            recipient=recipient.address,
            destination=recipient.destination,
            domain_id=message.domain_id,
            now=now,
        )

    def act(batch: Batch) -> None:
        batch.recipients = [one for one in batch.recipients if fits(batch, one)]
        keep(batch)

    run = Run(Verb.HOLD, by, now, meant_by(rule), parameter=rule.reason, course=course)
    keep = _holding(rule.reason, rule_id=rule.pk)
    if rule.quarantines:
        # Removing the rule does not let this go.
        run.verb, run.undo_for = Verb.QUARANTINE, UNDO_FOR
        keep = _quarantining(rule.reason, now=now, takes_held=False)
    return run.carry_out(act)


def _holding(reason: str, *, rule_id: int | None = None) -> Act:
    def act(batch: Batch) -> None:
        for recipient in batch.recipients:
            if recipient.state == State.DELETING:
                batch.skip(recipient, Skipped.DELETING)
            elif recipient.hold_reason:
                batch.skip(recipient, Skipped.HELD)
            else:
                batch.take(recipient)
                recipient.hold_reason, recipient.hold_rule = reason, rule_id
                if recipient.claimed_by is None:
                    recipient.state = State.HELD
                    recipient.due_at = None

    return act


def _quarantining(reason: str, *, now: datetime, takes_held: bool = True) -> Act:
    # As it is set, and not as this process may remember it for some seconds.
    until = now + timedelta(days=SPOOL.load().quarantine_days)

    def act(batch: Batch) -> None:
        for recipient in batch.recipients:
            if recipient.state == State.DELETING:
                batch.skip(recipient, Skipped.DELETING)
            elif recipient.quarantined_until is not None:
                batch.skip(recipient, Skipped.QUARANTINED)
            elif recipient.hold_reason and not takes_held:
                batch.skip(recipient, Skipped.HELD)
            else:
                batch.take(recipient)
                from_quarantine.put_in(batch, recipient, reason=reason, until=until)

    return act


def _release(batch: Batch, recipient: SpooledRecipient) -> None:
    batch.take(recipient)
    recipient.hold_reason, recipient.hold_rule = "", None
    recipient.quarantined_until = recipient.patience_left = None
    if recipient.claimed_by is None:
        recipient.state = State.RETRYING if recipient.attempts else State.QUEUED
        recipient.due_at = batch.now


def _kept(rule: HoldRule) -> audit.Changes:
    """All that makes the rule, so that it can be set again."""
    names = ("sender", "recipient", "destination", "reason", "until", "quarantines")
    values = {name: getattr(rule, name) for name in names}
    values["domain"] = rule.domain.name if rule.domain else None
    return {name: (value, None) for name, value in values.items()}


def _checked_reason(reason: str) -> str:
    words = " ".join(reason.split())
    if not words:
        raise ValuesRefused((Problem("reason", "must not be empty"),))
    return words[:REASON_CHARACTERS]


def _tell() -> None:
    """The rules are part of the policy that every process keeps in memory."""
    publish_on_commit(Topic.SETTINGS, 0, b"spool", durable=True)
    transaction.on_commit(settings.forget)
