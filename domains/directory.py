"""Names to domains and domains to their settings, from this process's memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields
from typing import Generic, TypeVar

from domains import switches
from domains.models import Domain, HostedName
from domains.policy import (
    DomainPolicy,
    Features,
    Priorities,
    Technical,
    copy_fields,
    read_limits,
    read_throttling,
)

K = TypeVar("K")
V = TypeVar("V")

# A lost note costs at most this long; durable notes are re-read every second besides.
LIFETIME_SECONDS = 30.0


class Cold(Exception):
    """The answer is not in memory: ask again where the database may be asked."""


class Memory(Generic[K, V]):
    """A bounded map that forgets the least recently learnt, and everything after a while.

    None is an answer like any other and is remembered, too. Learning is safe against a note
    that comes while the database is being read: what was read before the note is not kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._lock = threading.Lock()
        self._generation = 0

    def ask(self, key: K, read: Callable[[K], V], *, cached_only: bool) -> V:
        """Raises Cold if `cached_only` and nothing fresh is known."""
        entry = self._entries.get(key)
        if entry is not None and entry[0] > time.monotonic():
            return entry[1]
        if cached_only:
            raise Cold
        generation = self._generation
        value = read(key)
        with self._lock:
            if generation == self._generation:
                self._entries[key] = (time.monotonic() + LIFETIME_SECONDS, value)
                self._entries.move_to_end(key)
                if len(self._entries) > self._limit:
                    self._entries.popitem(last=False)
        return value

    def forget(self, key: K) -> None:
        with self._lock:
            self._generation += 1
            self._entries.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._generation += 1
            self._entries.clear()


_names: Memory[str, int | None] = Memory(limit=50_000)
_policies: Memory[int, DomainPolicy | None] = Memory(limit=10_000)


def by_name(name: str, *, cached_only: bool = False) -> DomainPolicy | None:
    """The domain that answers to `name` (lower-case A-label), by its own name or an alias."""
    domain_id = _names.ask(name, _read_name, cached_only=cached_only)
    return None if domain_id is None else policy(domain_id, cached_only=cached_only)


def is_new(name: str, *, cached_only: bool = False) -> bool:
    """Whether a name that is remembered as nobody's has become a domain's since.

    Asks the database, so it is for what is about to be refused: the note that a domain was
    opened may be on its way yet. Raises Cold.
    """
    if by_name(name, cached_only=cached_only) is not None:
        return False
    if cached_only:
        raise Cold
    if _read_name(name) is None:
        return False
    _names.forget(name)
    return by_name(name) is not None


def policy(domain_id: int, *, cached_only: bool = False) -> DomainPolicy | None:
    """None: there is no such domain (any more)."""
    return _policies.ask(domain_id, _read_policy, cached_only=cached_only)


def forget(domain_id: int) -> None:
    """Called for each note on Topic.DOMAIN; a new or changed name may be any name."""
    _policies.forget(domain_id)
    _names.clear()


def forget_policies() -> None:
    """Called for each note on Topic.SETTINGS: what is withheld from domains may have changed."""
    _policies.clear()


def clear() -> None:
    _policies.clear()
    _names.clear()


def _read_features(domain_id: int) -> Features:
    on = switches.in_force(domain_id)
    return Features(**{one.name: on[one.name] for one in fields(Features)})


def _read_name(name: str) -> int | None:
    return HostedName.objects.filter(name=name).values_list("domain_id", flat=True).first()


def _read_policy(domain_id: int) -> DomainPolicy | None:
    domain = (
        Domain.objects.select_related(
            "domaintechnical",
            "domainlimits",
            "domainpriority",
            "domainthrottling",
            "renaming",
        )
        .filter(pk=domain_id)
        .first()
    )
    if domain is None:
        return None
    return DomainPolicy(
        domain_id=domain.pk,
        area_id=domain.area_id,
        name=domain.name,
        unicode_name=domain.unicode_name,
        aliases=tuple(domain.aliases.values_list("name", flat=True)),
        listen_ip=domain.listen_ip,
        list_command_address=domain.list_command_address,
        is_disabled=domain.is_disabled,
        is_deleting=domain.is_deleting,
        is_renaming=hasattr(domain, "renaming"),
        technical=copy_fields(Technical, domain.domaintechnical),
        features=_read_features(domain_id),
        limits=read_limits(domain.domainlimits),
        priority=copy_fields(Priorities, domain.domainpriority),
        throttling=read_throttling(domain.domainthrottling),
    )
