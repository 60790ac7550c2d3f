"""DNS for delivery and for judging clients: a cache that obeys the answers' times to live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal

import aiodns
import pycares

CACHE_ENTRIES = 20_000
LONGEST_SECONDS = 3600  # a week's TTL must not pin a server that has moved
SHORTEST_SECONDS = 5
NEGATIVE_SECONDS = 60  # for "no such name" and "no such record"
QUESTION_SECONDS = 3.0  # until a server is asked again, longer each time
TRIES = 3

_NO_NAME = pycares.errno.ARES_ENOTFOUND
_NO_DATA = pycares.errno.ARES_ENODATA
# A name that cannot be asked for does not exist: too long, or with an empty label.
_NOT_A_NAME = pycares.errno.ARES_EBADNAME

RecordType = Literal["MX", "A", "AAAA", "PTR", "TXT"]


class LookupFailed(Exception):
    """DNS could not answer now: nothing is known about the name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class NameUnknown(Exception):
    """The name does not exist, with any kind of record. RFC 8020."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class MxRecord:
    """One MX; `host` is without the final dot, so the root is the empty string."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class _Answer:
    records: tuple[Any, ...]
    name_exists: bool
    expires: float


class Resolver:
    """Asks the given servers ("address" or "address:port"), or the system's if none is given."""

    def __init__(
        self, servers: Sequence[str] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._usual_servers = self._servers = list(servers) or None
        self._clock = clock
        self._dns: aiodns.DNSResolver | None = None
        self._closing: asyncio.Task[None] | None = None
        self._cache: dict[tuple[str, RecordType], _Answer] = {}
        self._under_way: dict[tuple[str, RecordType], asyncio.Task[_Answer]] = {}

    async def mx(self, domain: str) -> tuple[MxRecord, ...]:
        """The MX records; empty if there is none. Raises NameUnknown, LookupFailed."""
        return (await self._ask(domain, "MX")).records

    async def addresses(self, host: str) -> tuple[str, ...]:
        """IPv6 first, then IPv4; empty if the name has none. Raises NameUnknown, LookupFailed."""
        six, four = await asyncio.gather(
            self._ask(host, "AAAA"), self._ask(host, "A"), return_exceptions=True
        )
        # One family unanswered is no reason to wait while the other one is known.
        found: list[str] = []
        for answer in (six, four):
            if isinstance(answer, _Answer):
                found += answer.records
        if found:
            return tuple(found)
        for answer in (four, six):
            if isinstance(answer, BaseException):
                raise answer
        return ()

    async def names(self, address: str) -> tuple[str, ...]:
        """What an IP address's PTR records say; nobody has checked whether that is true.

        Raises NameUnknown, LookupFailed.
        """
        return (await self._ask(ip_address(address).reverse_pointer, "PTR")).records

    async def records(self, name: str, record_type: RecordType) -> tuple[Any, ...]:
        """MxRecords, bytes of TXT, or text; empty for a name that is unknown. Raises LookupFailed.

        A TXT record of several strings is one value.
        """
        try:
            return (await self._ask(name, record_type)).records
        except NameUnknown:
            return ()

    def use(self, servers: Sequence[str]) -> None:
        """Ask these from now on; none: those it was made with (G-025)."""
        wanted = list(servers) or self._usual_servers
        if wanted == self._servers:
            return
        self._servers = wanted
        self._cache.clear()
        before, self._dns = self._dns, None
        if before is not None:
            # Questions under way are answered first.
            self._closing = asyncio.create_task(_close_later(before))

    async def close(self) -> None:
        if self._dns is not None:
            await self._dns.close()
            self._dns = None

    async def _ask(self, name: str, record_type: RecordType) -> _Answer:
        key = (name.rstrip(".").lower(), record_type)
        answer = self._cache.get(key)
        if answer is None or answer.expires <= self._clock():
            task = self._under_way.get(key)
            if task is None:
                task = self._under_way[key] = asyncio.create_task(self._query(*key))
                task.add_done_callback(lambda _task: self._under_way.pop(key, None))
            # Whoever asked first may give up; the others still want the answer.
            answer = await asyncio.shield(task)
        if not answer.name_exists:
            raise NameUnknown(key[0])
        return answer

    async def _query(self, name: str, record_type: RecordType) -> _Answer:
        if self._dns is None:
            self._dns = aiodns.DNSResolver(
                nameservers=self._servers, timeout=QUESTION_SECONDS, tries=TRIES
            )
        try:
            # The final dot: no search list of this machine is to be tried.
            result = await self._dns.query_dns(f"{name}.", record_type)
        except aiodns.error.DNSError as error:
            code = error.args[0] if error.args else None
            if code not in (_NO_NAME, _NO_DATA, _NOT_A_NAME):
                raise LookupFailed(name, str(error.args[-1])) from error
            return self._keep(name, record_type, (), NEGATIVE_SECONDS, exists=code == _NO_DATA)
        # A CNAME on the way stands in the answer, too, and its time to live counts as well.
        ttl = min((record.ttl for record in result.answer), default=NEGATIVE_SECONDS)
        found = (_read(record.data, record_type) for record in result.answer)
        records = tuple(record for record in found if record is not None)
        return self._keep(name, record_type, records, ttl, exists=True)

    def _keep(
        self,
        name: str,
        record_type: RecordType,
        records: tuple[Any, ...],
        ttl: int,
        *,
        exists: bool,
    ) -> _Answer:
        seconds = min(max(ttl, SHORTEST_SECONDS), LONGEST_SECONDS)
        answer = _Answer(records, exists, self._clock() + seconds)
        if len(self._cache) >= CACHE_ENTRIES:
            self._cache.pop(next(iter(self._cache)))  # the oldest: dicts keep the order
        self._cache.pop((name, record_type), None)
        self._cache[name, record_type] = answer
        return answer


async def _close_later(dns: aiodns.DNSResolver) -> None:
    await asyncio.sleep(QUESTION_SECONDS * 2**TRIES)
    await dns.close()


def _read(data: object, record_type: RecordType) -> MxRecord | str | bytes | None:
    """A record's value; None for one of another type."""
    if record_type == "PTR":
        return data.dname.rstrip(".").lower() if isinstance(data, pycares.PTRRecordData) else None
    if record_type == "TXT":
        return data.data if isinstance(data, pycares.TXTRecordData) else None
    if record_type == "MX":
        if not isinstance(data, pycares.MXRecordData):
            return None
        return MxRecord(data.priority, data.exchange.rstrip(".").lower())
    wanted = pycares.ARecordData if record_type == "A" else pycares.AAAARecordData
    return data.addr if isinstance(data, wanted) else None
