"""What the rules say of each recipient of a message on its way in: circles, priorities, holds.

Each function returns what the trace is to tell of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from clock.moments import to_micros
from domains import directory as domain_directory
from spool import holds, priority, rewriting
from spool.acceptance import AcceptedRecipient
from spool.errors import MessageLoops
from spool.holds import Hold, HoldPolicy
from spool.models import Kind, Route
from spool.priority import Priority

Decision = dict[str, Any]


def without_circles(
    recipients: Iterable[AcceptedRecipient], delivered_to: Collection[str]
) -> tuple[list[AcceptedRecipient], list[Decision]]:
    """Mail that has been sent on from an address once is not sent on from there again.

    `delivered_to`: where it has been. Raises MessageLoops where nothing else was to be done.
    """
    going: list[AcceptedRecipient] = []
    circling: list[AcceptedRecipient] = []
    for recipient in recipients:
        is_sent_on = recipient.target.route == Route.REMOTE and rewriting.is_forwarded(
            recipient.target.address, recipient.original_address
        )
        has_been_here = recipient.original_address.lower() in delivered_to
        (circling if is_sent_on and has_been_here else going).append(recipient)
    if not circling:
        return going, []
    if not going:
        raise MessageLoops(len(delivered_to), 0)
    names = [recipient.target.address for recipient in circling]
    address = circling[0].original_address
    return going, [{"step": "circle", "address": address, "targets": names}]


def set_priorities(
    recipients: Iterable[AcceptedRecipient],
    *,
    kind: Kind,
    size_bytes: int,
    domain_id: int | None,
    manual: int | None,
) -> list[Decision]:
    """By the Priority tab of the domain that causes each delivery (P-004)."""

    def by(domain_id: int | None) -> Priority:
        domain = None if domain_id is None else domain_directory.policy(domain_id)
        rules = domain.priority if domain else None
        return priority.decide(
            kind=kind, size_bytes=size_bytes, failures=0, rules=rules, manual=manual
        )

    decided = by(domain_id)
    for recipient in recipients:
        target = recipient.target
        recipient.priority = decided.value
        if target.domain_id not in (None, domain_id) and target.route == Route.REMOTE:
            # The alias that leads out causes this delivery, not the writer.
            recipient.priority = by(target.domain_id).value
    if decided.rule == "default":
        return []
    return [{"step": "priority", "rule": decided.rule, "value": decided.value}]


def hold(
    recipients: Iterable[AcceptedRecipient],
    rules: Sequence[HoldPolicy],
    *,
    sender: str,
    domain_id: int | None,
    now: datetime,
    quarantine: timedelta,
) -> list[Decision]:
    """Hold, or put in quarantine, what the first fitting of the operator's standing rules names."""
    told = []
    for recipient in recipients:
        if recipient.hold is not None:
            continue
        target = recipient.target
        rule = holds.first_fitting(
            rules,
            sender=sender,
            recipient=target.address,
            destination=target.destination,
            domain_id=domain_id,
            now=now,
        )
        if rule is None:
            continue
        if rule.quarantines:
            recipient.hold = Hold(rule.reason, None, to_micros(now + quarantine))
        else:
            recipient.hold = Hold(rule.reason, rule.rule_id)
        told.append(
            {
                "step": "quarantine" if rule.quarantines else "hold",
                "rule": rule.rule_id,
                "reason": rule.reason,
                # As the sender wrote it: he may read this, and not where others' aliases lead.
                "address": recipient.original_address,
            }
        )
    return told


def quarantine_spam(
    recipients: Iterable[AcceptedRecipient], mark: str, *, now: datetime, quarantine: timedelta
) -> list[Decision]:
    """Put all of a message in quarantine that a scanner has marked (S-060).

    But for lists, whose moderators decide about it (L-015).

    `mark`: the field that says so, of `protocols.message.spammarks`.
    """
    until = to_micros(now + quarantine)
    reason = f"marked as spam by {mark}"
    waiting = [one for one in recipients if one.target.route != Route.LIST]
    for recipient in waiting:
        recipient.hold = Hold(reason, None, until)
    return [{"step": "quarantine", "reason": reason}] if waiting else []


def goes_at_once(recipient: AcceptedRecipient, delivered_to: Collection[str]) -> bool:
    """Local mail without a wish for a success report and without a loop mark (S-056)."""
    target = recipient.target
    return (
        target.account is not None
        and target.account.receives
        and recipient.hold is None
        and "SUCCESS" not in recipient.notify
        and target.address not in delivered_to
        and recipient.original_address.lower() not in delivered_to
    )
