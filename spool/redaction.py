"""What remains of a trace for people who may know a part of it (X-006: others' mail is theirs)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

from spool.models import (
    DeliveryAttempt,
    Origin,
    SpoolChange,
    SpooledMessage,
    SpooledRecipient,
    TraceEntry,
)
from spool.quarantine import TRACED
from spool.trace import Trace

SOMEBODY = "an administrator"
UNTOLD = "the reply of a server behind somebody else's alias"
_BY_PEOPLE = frozenset(
    {*(label.lower() for label in SpoolChange.Verb.labels), "viewed", "downloaded", TRACED}
)
# Machines of ours and our customers: whoever got their mail need not know their addresses.
_OURS = frozenset({Origin.SUBMISSION, Origin.RELAY, Origin.WEBMAIL, Origin.API})


def redact(trace: Trace, *, is_cause: bool, is_own: Callable[[str], bool]) -> Trace:
    """`trace.recipients` are those that may be seen. `is_cause`: the mail is the viewer's own.

    Then he sees all about it but who of the server's people did what, by which way, faults of
    ours, and where others' aliases lead. Of others' mail he sees what became of his own
    recipients, and where it came from. `is_own`: whether an address is in his charge.
    """
    covered = {
        row.pk: row
        for row in trace.recipients
        if row.address != row.original_address
        and not is_own(row.original_address)
        and not is_own(row.address)
    }
    behind = {row.address: row.original_address for row in covered.values()}
    addresses = {row.address for row in trace.recipients}
    originals = addresses | {row.original_address for row in trace.recipients}
    entries = [
        _entry(entry, behind) for entry in trace.entries if is_cause or _is_shown(entry, addresses)
    ]
    message = trace.message if is_cause else _message(trace, originals)
    message = copy.copy(message)
    message.decisions = [one for one in message.decisions if _may_be_told(one, is_own)]
    return Trace(
        message=message,
        recipients=[_recipient(row, row.pk in covered, is_own) for row in trace.recipients],
        attempts={
            key: [_attempt(one, key in covered) for one in tries]
            for key, tries in trace.attempts.items()
        },
        entries=entries,
        crossings=trace.crossings if is_cause else [],
    )


def _message(trace: Trace, originals: Collection[str]) -> SpooledMessage:
    """Of mail that others cause: how many it is for besides, and who logged in, is not told."""
    shown = copy.copy(trace.message)
    shown.recipients_total = len(trace.recipients)
    shown.recipients_delivered = min(shown.recipients_delivered, len(trace.recipients))
    shown.sender_account = None
    shown.decisions = [
        decision
        for decision in trace.message.decisions
        if decision.get("address") in originals and decision.get("step") != "priority"
    ]
    if shown.origin in _OURS:
        shown.client_address = shown.client_name = ""
    return shown


def _may_be_told(decision: dict[str, Any], is_own: Callable[[str], bool]) -> bool:
    """Whereto an alias leads is known to those in charge of it."""
    return "targets" not in decision or is_own(str(decision.get("address", "")))


def _recipient(
    recipient: SpooledRecipient, is_covered: bool, is_own: Callable[[str], bool]
) -> SpooledRecipient:
    """Covered: as the sender wrote it, without what tells where it went from there."""
    if is_own(recipient.address):
        return recipient
    shown = copy.copy(recipient)
    # In whose folder it lies is the business of whoever got it.
    shown.account, shown.folder_id, shown.uid, shown.via = None, None, None, ""
    if is_covered:
        shown.address, shown.destination = recipient.original_address, ""
        if not recipient.was_removed:
            shown.reply = UNTOLD if recipient.reply else ""
    return shown


def _attempt(attempt: DeliveryAttempt, is_covered: bool) -> DeliveryAttempt:
    shown = copy.copy(attempt)
    shown.traceback = ""
    if is_covered:
        shown.host = shown.host_address = ""
        shown.reply = UNTOLD
    return shown


def _is_shown(entry: TraceEntry, addresses: Collection[str]) -> bool:
    if entry.recipient is not None and entry.recipient.address not in addresses:
        return False
    return _is_by_people(entry)


def _entry(entry: TraceEntry, behind: Mapping[str, str]) -> TraceEntry:
    shown = copy.copy(entry)
    if not _is_by_people(entry):
        about = entry.detail.get("about")
        if isinstance(about, list) and behind:
            told = [
                {**one, "recipient": behind.get(one.get("recipient", ""), one.get("recipient"))}
                for one in about
            ]
            shown.detail = {**entry.detail, "about": told}
        return shown
    shown.actor = SOMEBODY if entry.actor != "server" else entry.actor
    detail: dict[str, Any] = {}
    shown.detail = detail
    return shown


def _is_by_people(entry: TraceEntry) -> bool:
    return entry.decision.partition(":")[0] in _BY_PEOPLE
