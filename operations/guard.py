"""Who may come in, decided in memory at every accept: lists, blocks, and the counting of rules."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TypeVar

from django.db.models import QuerySet

from clock.moments import to_micros, utc_now
from operations import blocks, rules
from operations.addresses import exempt_networks, own_addresses, party
from operations.counting import Event, Windows
from operations.listing import SERVICES
from operations.models import Action, BlacklistEntry, Block, Kind, WhitelistEntry
from operations.networktable import NetworkTable
from operations.rules import SECOND, Rule

V = TypeVar("V")

# Services as bits, so that one number says which ones an entry is for.
BITS = {service: 1 << number for number, service in enumerate(SERVICES)}
ALL = (1 << len(SERVICES)) - 1


class Barred(enum.Enum):
    """Why an address may not come in."""

    BLOCKED = "blocked for a while"
    BLACKLISTED = "on the blacklist"


@dataclass(frozen=True, slots=True)
class StandingBlock:
    """One block of a network; `until` in microseconds, None: until it is lifted."""

    services: int
    until: int | None
    block_id: int | None = None  # None: decided here, not yet a row


@dataclass(frozen=True, slots=True)
class StandingUser:
    """A user who may not send; None: until it is lifted."""

    until: int | None


@dataclass(slots=True)
class Holdings:
    """What the rows say, read in a thread and taken over on the loop."""

    rules: tuple[Rule, ...] = ()
    blacklist: NetworkTable[int] = field(default_factory=NetworkTable)
    whitelist: NetworkTable[int] = field(default_factory=NetworkTable)
    blocks: NetworkTable[tuple[StandingBlock, ...]] = field(default_factory=NetworkTable)
    stopped: dict[int, StandingUser] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundNetwork:
    """What the rows say of one network; None: it is not on that list."""

    blacklisted: int | None
    whitelisted: int | None
    blocks: tuple[StandingBlock, ...]


def now_micros() -> int:
    return to_micros(utc_now())


class Guard:
    """One for each process that accepts connections. Of one thread: the loop's."""

    def __init__(self, now: Callable[[], int] = now_micros) -> None:
        self._now = now
        self._holdings = Holdings()
        self._windows = Windows()
        self._matching: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._hits: Counter[int] = Counter()
        # Called when a rule has been broken and the other processes should know at once.
        self.on_offence: Callable[[], object] = lambda: None

    # --- asked at every accept ---------------------------------------------------------------

    def bars(self, address: str, service: str) -> Barred | None:
        """Why a new connection is turned away; None, and counted, if it is not."""
        barred = self.look(address, service)
        if barred is None:
            self.count(Kind.CONNECTIONS, service, address)
        return barred

    def look(self, address: str, service: str) -> Barred | None:
        """The same without counting."""
        holdings = self._holdings
        bit = BITS[service]
        barred = None
        if holdings.blacklist and any(
            services & bit for services in holdings.blacklist.all_around(address)
        ):
            barred = Barred.BLACKLISTED
        elif holdings.blocks:
            barred = self._look_for_block(address, bit)
        return None if barred is None or self.is_exempt(address, service) else barred

    def is_exempt(self, address: str, service: str) -> bool:
        """Own, loopback, or on the whitelist."""
        whitelist = self._holdings.whitelist
        bit = BITS[service]
        return any(services & bit for services in whitelist.all_around(address))

    def count(self, kind: Kind, service: str, subject: str, events: int = 1) -> None:
        """Count for every rule of the kind. `subject`: an address, or an account's key."""
        found = self._rules_for(kind, service)
        if not found:
            return
        if kind != Kind.SPAMMING:
            if self.is_exempt(subject, service):
                return
            subject = party(subject)
        now = self._now()
        for rule in found:
            total = self._windows.add(rule, subject, now=now, events=events)
            if total >= rule.threshold > total - events:
                self._act_here(rule, subject, now)

    def may_send(self, account_id: int) -> bool:
        """Whether a user may hand in mail, as far as M-065 is concerned."""
        user = self._holdings.stopped.get(account_id)
        return user is None or (user.until is not None and user.until <= self._now())

    # --- told by those who follow the rows ---------------------------------------------------

    def take(self, holdings: Holdings) -> None:
        """From now on this holds; what changed rules have counted is forgotten."""
        if holdings.rules != self._holdings.rules:
            self._windows.clear()
            self._matching.clear()
        self._holdings = holdings

    def take_network(self, network: str, found: FoundNetwork) -> None:
        """What the rows now say of one network. Its counters begin from zero if it has no block."""
        holdings = self._holdings
        _put(holdings.blacklist, network, found.blacklisted)
        _put(holdings.whitelist, network, found.whitelisted)
        _put(holdings.blocks, network, found.blocks or None)
        if not found.blocks:
            self._windows.forget(network)

    def take_users(self, stopped: dict[int, StandingUser], changed: Iterable[int]) -> None:
        self._holdings.stopped = stopped
        for account_id in changed:
            if account_id not in stopped:
                self._windows.forget(str(account_id))

    def take_unsent(self) -> list[Event]:
        """For the other processes; see Windows.take_unsent."""
        return self._windows.take_unsent(self._now())

    def take_hits(self) -> dict[int, int]:
        """Connections refused since the last call, by block."""
        hits, self._hits = dict(self._hits), Counter()
        return hits

    # --- inside ------------------------------------------------------------------------------

    def _rules_for(self, kind: str, service: str) -> tuple[Rule, ...]:
        found = self._matching.get((kind, service))
        if found is None:
            found = rules.matching(self._holdings.rules, kind, service)
            self._matching[kind, service] = found
        return found

    def _look_for_block(self, address: str, bit: int) -> Barred | None:
        now = None
        for group in self._holdings.blocks.all_around(address):
            for block in group:
                if not block.services & bit:
                    continue
                now = now or self._now()
                if block.until is None or block.until > now:
                    if block.block_id is not None:
                        self._hits[block.block_id] += 1
                    return Barred.BLOCKED
        return None

    def _act_here(self, rule: Rule, subject: str, now: int) -> None:
        """This process acts at once; the row, and with it the others, follow."""
        until = now + rule.block_seconds * SECOND
        if rule.kind != Kind.SPAMMING:
            block = StandingBlock(mask([rule.service] if rule.service else []), until)
            before = self._holdings.blocks.at(subject) or ()
            self._holdings.blocks.add(subject, (*before, block))
        elif rule.action != Action.NOTIFY:
            lifted = rule.action == Action.DISABLE
            self._holdings.stopped[int(subject)] = StandingUser(None if lifted else until)
        self.on_offence()


def mask(services: Sequence[str]) -> int:
    """None named: all of them."""
    return sum(BITS[service] for service in services if service in BITS) or ALL


def load() -> Holdings:
    """Everything, from the rows. Slow with long lists: in a thread."""
    holdings = Holdings(rules=rules.enabled(), whitelist=_load_whitelist())
    listed = BlacklistEntry.objects.values_list("network", "services")
    for network, services in listed.iterator(chunk_size=2000):
        holdings.blacklist.add(network, mask(services))
    standing: defaultdict[str, list[StandingBlock]] = defaultdict(list)
    for block in _network_blocks().iterator():
        standing[block.network].append(_standing(block))
    for network, group in standing.items():
        holdings.blocks.add(network, tuple(group))
    holdings.stopped = load_stopped()
    return holdings


def load_network(network: str) -> FoundNetwork:
    """What the rows say of one network; in a thread."""
    black = BlacklistEntry.objects.filter(network=network).first()
    white = WhitelistEntry.objects.filter(network=network).first()
    exempt = network in _exempt_here()
    return FoundNetwork(
        mask(black.services) if black else None,
        ALL if exempt else mask(white.services) if white else None,
        tuple(_standing(block) for block in _network_blocks().filter(network=network)),
    )


def load_stopped() -> dict[int, StandingUser]:
    rows = blocks.standing().filter(account_id__isnull=False, is_notice=False)
    return {
        row.account_id: StandingUser(to_micros(row.until) if row.until else None)
        for row in rows
        if row.account_id is not None
    }


def _load_whitelist() -> NetworkTable[int]:
    """With this machine's own addresses, so that one look-up answers for all that is exempt."""
    table: NetworkTable[int] = NetworkTable()
    for entry in WhitelistEntry.objects.all():
        table.add(entry.network, mask(entry.services))
    for network in _exempt_here():
        table.add(network, ALL)
    return table


def _exempt_here() -> set[str]:
    own = {one for one in own_addresses() if not ip_network(one).is_loopback}
    return own | {str(network) for network in exempt_networks()}


def _network_blocks() -> QuerySet[Block]:
    return blocks.standing().filter(account_id=None, is_notice=False)


def _standing(block: Block) -> StandingBlock:
    until = to_micros(block.until) if block.until else None
    return StandingBlock(mask([block.service] if block.service else []), until, block.pk)


def _put(table: NetworkTable[V], network: str, value: V | None) -> None:
    if value is None:
        table.remove(network)
    else:
        table.add(network, value)
