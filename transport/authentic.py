"""DNS answers with the word of a trusted resolver on DNSSEC: the AD bit (RFC 4035 §3.2.3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.resolver

from zones.lookup import Answer, Unanswered, configured, text_of

QUESTION_SECONDS = 5.0
CACHE_ENTRIES = 20_000
LONGEST_SECONDS = 3600
SHORTEST_SECONDS = 5
NEGATIVE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: Answer
    expires: float


class AuthenticResolver:
    """Asks the given servers, or the system's if none is given, and remembers for the TTL."""

    def __init__(
        self, servers: Sequence[str] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._usual = list(servers)
        self._servers: list[str] | None = None
        self._cache: dict[tuple[str, str], _Entry] = {}
        self.use(servers)

    def use(self, servers: Sequence[str]) -> None:
        """Ask these from now on; none: those it was made with."""
        wanted = list(servers) or self._usual
        if wanted == self._servers:
            return
        self._servers = wanted
        self._cache.clear()
        self._resolver = configured(dns.asyncresolver.Resolver, wanted)

    @property
    def is_on_this_machine(self) -> bool:
        """Whether nobody could change an answer on its way here."""
        addresses = [getattr(each, "address", each) for each in self._resolver.nameservers]
        return bool(addresses) and all(ip_address(str(each)).is_loopback for each in addresses)

    async def ask(self, name: str, record_type: str) -> Answer:
        """Raises Unanswered, also where DNSSEC proves the answer wrong."""
        key = (name.lower().rstrip("."), record_type)
        entry = self._cache.get(key)
        if entry is None or entry.expires <= self._clock():
            entry = await self._ask(*key)
            if len(self._cache) >= CACHE_ENTRIES:
                self._cache.pop(next(iter(self._cache)))
            self._cache[key] = entry
        return entry.answer

    async def _ask(self, name: str, record_type: str) -> _Entry:
        try:
            found = await self._resolver.resolve(
                dns.name.from_text(name),
                record_type,
                raise_on_no_answer=False,
                lifetime=QUESTION_SECONDS,
            )
        except dns.resolver.NXDOMAIN as error:
            responses = error.responses().values()  # type: ignore[no-untyped-call]
            is_authentic = bool(responses) and all(each.flags & dns.flags.AD for each in responses)
            answer = Answer(name_exists=False, is_authentic=is_authentic)
            return _Entry(answer, self._clock() + NEGATIVE_SECONDS)
        except (dns.resolver.YXDOMAIN, dns.name.LabelTooLong, dns.name.NameTooLong):
            return _Entry(Answer(name_exists=False), self._clock() + NEGATIVE_SECONDS)
        except (dns.exception.DNSException, OSError) as error:
            raise Unanswered(name, "the name servers do not answer") from error
        values = tuple(map(text_of, found.rrset or ()))
        is_authentic = bool(found.response.flags & dns.flags.AD)
        ttl = found.rrset.ttl if found.rrset is not None else NEGATIVE_SECONDS
        seconds = min(max(ttl, SHORTEST_SECONDS), LONGEST_SECONDS)
        return _Entry(Answer(values, True, is_authentic), self._clock() + seconds)
