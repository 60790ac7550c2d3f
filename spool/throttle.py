"""What may leave in an hour, and what waits for the next one (T-001…T-012). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from clock.moments import from_micros
from units import sizes

HOUR_MICROS = 3600 * 1_000_000


class Kind(StrEnum):
    """Whose hour is counted."""

    USER = "user"
    DOMAIN = "domain"
    LIST = "list"


class Reason(StrEnum):
    """Which limit is reached."""

    MESSAGES = "messages"
    BANDWIDTH = "bandwidth"
    BOUNCES = "bounces"


class Key(NamedTuple):
    """Somebody who may be throttled, by the key of his row."""

    kind: Kind
    key_id: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one hour allows; None: any number."""

    messages: int | None = None
    sent_bytes: int | None = None
    bounces: int | None = None

    @property
    def is_limited(self) -> bool:
        return not (self.messages is None and self.sent_bytes is None and self.bounces is None)


UNLIMITED = Allowance()


@dataclass(slots=True)
class Window:
    """One hour of one key: what is used of its allowance, reservations included."""

    allowance: Allowance = UNLIMITED
    messages: int = 0
    sent_bytes: int = 0
    bounces: int = 0  # reports about mail that this server really sent for the key (T-007 b)

    def reached(self, *, counts_bytes: bool = True) -> Reason | None:
        """The first limit that holds mail back, or None."""
        allowance = self.allowance
        if allowance.messages is not None and self.messages >= allowance.messages:
            return Reason.MESSAGES
        # T-005: a message larger than the rest is sent, so only a limit used up holds mail back.
        is_limited = counts_bytes and allowance.sent_bytes is not None
        if is_limited and self.sent_bytes >= (allowance.sent_bytes or 0):
            return Reason.BANDWIDTH
        if allowance.bounces is not None and self.bounces >= allowance.bounces:
            return Reason.BOUNCES
        return None

    def limit_of(self, reason: Reason) -> int | None:
        """None: not limited."""
        allowance = self.allowance
        if reason is Reason.MESSAGES:
            return allowance.messages
        return allowance.sent_bytes if reason is Reason.BANDWIDTH else allowance.bounces

    @property
    def room(self) -> int | None:
        """Recipients that may still leave in this hour, by their number; None: any number."""
        allowed = self.allowance.messages
        return None if allowed is None else max(allowed - self.messages, 0)

    def numbers(self, reason: Reason) -> tuple[int, int]:
        """Used and allowed of the limit that `reason` names."""
        used = {
            Reason.MESSAGES: self.messages,
            Reason.BANDWIDTH: self.sent_bytes,
            Reason.BOUNCES: self.bounces,
        }
        return used[reason], self.limit_of(reason) or 0


@dataclass(frozen=True, slots=True)
class Ask:
    """One recipient that wants to leave; `sent_bytes` 0: another one's transaction carries it."""

    keys: tuple[Key, ...]
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a recipient waits for the next hour."""

    key: Key
    reason: Reason
    used: int
    allowed: int


def decide(ask: Ask, windows: Mapping[Key, Window]) -> Denial | None:
    """None: what was asked for is now reserved in every window; otherwise nothing has changed."""
    for key in ask.keys:
        window = windows[key]
        reason = window.reached(counts_bytes=ask.sent_bytes > 0)
        if reason is not None:
            return Denial(key, reason, *window.numbers(reason))
    for key in ask.keys:
        window = windows[key]
        window.messages += 1
        window.sent_bytes += ask.sent_bytes
    return None


def hour_of(now: int) -> int:
    """T-010: clock hours of UTC, counted since 1970; `now` in microseconds."""
    return now // HOUR_MICROS


def next_hour(now: int) -> int:
    """When the hour of `now` is over, in microseconds."""
    return (now // HOUR_MICROS + 1) * HOUR_MICROS


def until(now: int) -> str:
    """The same on a clock's face: "15:00 UTC"."""
    return from_micros(next_hour(now)).strftime("%H:%M UTC")


def in_words(reason: Reason, used: int, allowed: int) -> str:
    """ "5,000 of 5,000 messages this hour"."""
    if reason is Reason.BANDWIDTH:
        return f"{sizes.in_words(used)} of {sizes.limit_in_words(allowed)} this hour"
    what = "messages" if reason is Reason.MESSAGES else "bounces"
    return f"{used:,} of {allowed:,} {what} this hour"
