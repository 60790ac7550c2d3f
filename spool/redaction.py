"""What remains of a trace for people who may know a part of it (X-006: others' mail is theirs)."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

from spool.models import DeliveryAttempt, Origin, SpoolChange, SpooledMessage, TraceEntry
from spool.trace import Trace

SOMEBODY = "an administrator"
_BY_PEOPLE = frozenset(
    {*(label.lower() for label in SpoolChange.Verb.labels), "viewed", "downloaded"}
)
# Machines of ours and our customers: whoever got their mail need not know their addresses.
_OURS = frozenset({Origin.SUBMISSION, Origin.RELAY, Origin.WEBMAIL, Origin.API})


def redact(trace: Trace, *, is_cause: bool) -> Trace:
    """`trace.recipients` are those that may be seen. `is_cause`: the mail is the viewer's own.

    Then he sees all about it but who of the server's people did what, by which way, and faults of
    ours. Of others' mail he sees what became of his own recipients, and where it came from.
    """
    addresses = {row.address for row in trace.recipients}
    originals = addresses | {row.original_address for row in trace.recipients}
    entries = [_entry(entry) for entry in trace.entries if is_cause or _is_shown(entry, addresses)]
    return Trace(
        message=trace.message if is_cause else _message(trace, originals),
        recipients=trace.recipients,
        attempts={key: [_attempt(one) for one in tries] for key, tries in trace.attempts.items()},
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


def _attempt(attempt: DeliveryAttempt) -> DeliveryAttempt:
    shown = copy.copy(attempt)
    shown.traceback = ""
    return shown


def _is_shown(entry: TraceEntry, addresses: Collection[str]) -> bool:
    if entry.recipient is not None and entry.recipient.address not in addresses:
        return False
    return _is_by_people(entry)


def _entry(entry: TraceEntry) -> TraceEntry:
    if not _is_by_people(entry):
        return entry
    shown = copy.copy(entry)
    shown.actor = SOMEBODY if entry.actor != "server" else entry.actor
    detail: dict[str, Any] = {}
    shown.detail = detail
    return shown


def _is_by_people(entry: TraceEntry) -> bool:
    return entry.decision.partition(":")[0] in _BY_PEOPLE
