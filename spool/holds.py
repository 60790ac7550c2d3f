"""Which standing rule holds mail, decided in memory from values. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """A standing rule; empty fields fit everything."""

    rule_id: int
    sender: str  # an address, or @domain
    recipient: str
    destination: str  # a domain elsewhere, or .domain for all below it
    domain_id: int | None
    reason: str
    until: datetime | None
    quarantines: bool = False

    def fits(
        self, *, sender: str, recipient: str, destination: str, domain_id: int | None, now: datetime
    ) -> bool:
        if self.until is not None and self.until <= now:
            return False
        if self.domain_id is not None and self.domain_id != domain_id:
            return False
        if self.sender and not _is_of(sender, self.sender):
            return False
        if self.recipient and not _is_of(recipient, self.recipient):
            return False
        return not self.destination or _is_below(destination, self.destination)


@dataclass(frozen=True, slots=True)
class Hold:
    """What keeps one recipient back as it is accepted."""

    reason: str
    rule_id: int | None = None  # that holds it; None: it is in quarantine, whoever put it there
    quarantined_until: int | None = None  # microseconds; None: it is just held


def first_fitting(
    rules: Iterable[HoldPolicy],
    *,
    sender: str,
    recipient: str,
    destination: str,
    domain_id: int | None,
    now: datetime,
) -> HoldPolicy | None:
    for rule in rules:
        if rule.fits(
            sender=sender,
            recipient=recipient,
            destination=destination,
            domain_id=domain_id,
            now=now,
        ):
            return rule
    return None


def _is_of(address: str, pattern: str) -> bool:
    address = address.lower()
    return address.endswith(pattern) if pattern.startswith("@") else address == pattern


def _is_below(destination: str, pattern: str) -> bool:
    destination = destination.lower()
    return destination.endswith(pattern) if pattern.startswith(".") else destination == pattern
