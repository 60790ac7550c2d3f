"""Warnings about values that are allowed yet seldom meant; a door shows them and saves anyway.

Pure: decides from the rows given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from domains.errors import Problem
from domains.models import DomainLimits, DomainPriority, DomainTechnical

# RFC 5321 §4.5.3.1.8: a server must take at least so many.
MINIMUM_RECIPIENTS = 100

STANDARD_PORTS = {
    "smtp_port": {25},
    "smtp_alternate_port": {587, 465},
    "pop_port": {110},
    "imap_port": {143},
    "ldap_port": {389},
}


def advise(row: Any) -> list[Problem]:
    """What to tell whoever saves `row`, a tab of a domain."""
    for model, adviser in _ADVISERS.items():
        if isinstance(row, model):
            return list(adviser(row))
    return []


def _technical(row: DomainTechnical) -> Iterator[Problem]:
    """D-049."""
    for field, standard in STANDARD_PORTS.items():
        if getattr(row, field) not in standard:
            yield Problem(field, "a port other than the standard one needs port translation")


def _limits(row: DomainLimits) -> Iterator[Problem]:
    """D-091."""
    if 0 < row.recipients_per_message < MINIMUM_RECIPIENTS:
        yield Problem(
            "recipients_per_message", f"a server is expected to take {MINIMUM_RECIPIENTS}"
        )


def _priority(row: DomainPriority) -> Iterator[Problem]:
    """P-028: the rule of the higher threshold wins, so Y at or below X is likely a slip."""
    both = row.attempt_x_enabled and row.attempt_y_enabled
    if both and row.attempt_y_threshold <= row.attempt_x_threshold:
        yield Problem("attempt_y_threshold", "should be above the threshold of attempt X")


_ADVISERS: dict[type, Callable[[Any], Iterator[Problem]]] = {
    DomainTechnical: _technical,
    DomainLimits: _limits,
    DomainPriority: _priority,
}
