"""May this address talk to us now? Blocks and the limits of sessions (N-007)."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar

from operations.elsewhere import NOTHING
from operations.guard import Barred, Guard

K = TypeVar("K")


class Refusal(enum.Enum):
    """Why a connection is turned away."""

    BLOCKED = "the address is blocked"
    BLACKLISTED = "the address is on the blacklist"
    TOO_MANY = "too many sessions in all"
    TOO_MANY_FROM_ADDRESS = "too many sessions from the address"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Of one protocol over all processes; None: no limit."""

    total: int | None = 10_000
    per_address: int | None = 100
    per_user: int | None = 100


def never_barred(address: str) -> Refusal | None:
    return None


def asks(guard: Guard, service: str) -> Callable[[str], Refusal | None]:
    """The question for a Gate: whether lists, blocks or rules bar an address; each is counted."""

    def is_barred(address: str) -> Refusal | None:
        barred = guard.bars(address, service)
        return None if barred is None else _BARRED[barred]

    return is_barred


_BARRED = {Barred.BLOCKED: Refusal.BLOCKED, Barred.BLACKLISTED: Refusal.BLACKLISTED}


class Gate:
    """Counts who is in. Limits are asked for at each entry, so a change acts at once.

    `elsewhere` is what other processes have, as it was some seconds ago: many who come to
    several processes within these seconds may together pass a limit, once and by that much.
    """

    def __init__(
        self,
        limits: Callable[[], SessionLimits],
        is_barred: Callable[[str], Refusal | None] = never_barred,
    ) -> None:
        self._limits = limits
        self._is_barred = is_barred
        self._addresses: Counter[str] = Counter()
        self._users: Counter[int] = Counter()
        self.sessions = 0
        self.elsewhere = NOTHING

    def enter(self, address: str) -> Refusal | None:
        """Let one session in, or say why not. Each one let in must `leave`."""
        limits = self._limits()
        barred = self._is_barred(address)
        if barred is not None:
            return barred
        if limits.total is not None and self.sessions + self.elsewhere.sessions >= limits.total:
            return Refusal.TOO_MANY
        count = self._addresses[address]
        others = self.elsewhere.addresses.get(address, 0)
        too_many = limits.per_address is not None and count + others >= limits.per_address
        if too_many and not is_loopback(address):
            return Refusal.TOO_MANY_FROM_ADDRESS
        self._addresses[address] = count + 1
        self.sessions += 1
        return None

    def leave(self, address: str) -> None:
        self.sessions -= 1
        _decrease(self._addresses, address)

    def enter_user(self, account_id: int) -> bool:
        """Count a session for a user who has logged in; False: he has too many already."""
        limit = self._limits().per_user
        others = self.elsewhere.users.get(account_id, 0)
        if limit is not None and self._users[account_id] + others >= limit:
            return False
        self._users[account_id] += 1
        return True

    def leave_user(self, account_id: int) -> None:
        _decrease(self._users, account_id)


def is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def plain_address(address: str) -> str:
    """An IPv4 client of a dual-stack socket shows as `::ffff:192.0.2.1`; scopes are dropped."""
    if ":" not in address:
        return address
    parsed = ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


def _decrease(counter: Counter[K], key: K) -> None:
    # Keys of zero would stay for ever, one for each address that ever called.
    if counter[key] <= 1:
        del counter[key]
    else:
        counter[key] -= 1
