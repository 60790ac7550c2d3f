"""Sender Policy Framework: may this client send mail in the name of that domain? RFC 7208."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Any

import spf
import structlog

from spool.resolver import LookupFailed, Resolver

log = structlog.get_logger(__name__)

# For all questions of one check together; RFC 7208 §4.6.4 wants 20 at least where a failure
# has consequences, and here one only means that the client must log in.
PATIENCE_SECONDS = 10.0
THREADS = 4
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="spf")


class Verdict(StrEnum):
    """RFC 7208 §2.6."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


async def verdict(resolver: Resolver, *, client_ip: str, sender: str, greeting: str) -> Verdict:
    """What the sender's domain says of the client; `greeting` is what EHLO said."""
    loop = asyncio.get_running_loop()
    query = _Query(resolver, loop, client_ip=client_ip, sender=sender, greeting=greeting)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await loop.run_in_executor(_pool, query.verdict)
    except TimeoutError:
        query.is_over = True
        return Verdict.TEMPERROR


class Evaluation(spf.query):  # type: ignore[misc]  # the library is untyped
    """The library's evaluation; whoever asks DNS says how."""

    def verdict(self) -> Verdict:
        try:
            found: str = self.check()[0]
            return Verdict(found)
        except Exception as error:
            # The library raises what it likes over records that make no sense.
            log.info("SPF cannot be evaluated", sender=self.s, error=repr(error))
            return Verdict.PERMERROR

    def dns(
        self, name: object, qtype: str, cnames: object = None, ignore_void: bool = False
    ) -> list[Any]:
        """Replaces the library's own questions; CNAMEs are followed by the resolver."""
        text = str(name).rstrip(".").lower()
        if not all(0 < len(label) < 64 for label in text.split(".")) or qtype == "SPF":
            return []  # RFC 7208 §3.1: TXT records only
        found = self.records(text, qtype)
        if not found and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} void look-ups")
        return found

    def records(self, name: str, qtype: str) -> list[Any]:
        """As the library has them: MX in pairs, TXT as tuples of bytes. Raises spf.TempError."""
        raise NotImplementedError


class _Query(Evaluation):
    """In a thread; its questions go to our resolver on the loop."""

    def __init__(
        self,
        resolver: Resolver,
        loop: asyncio.AbstractEventLoop,
        *,
        client_ip: str,
        sender: str,
        greeting: str,
    ) -> None:
        super().__init__(i=client_ip, s=sender, h=greeting)
        self._resolver = resolver
        self._loop = loop
        self.is_over = False

    def records(self, name: str, qtype: Any) -> list[Any]:
        if self.is_over:
            raise spf.TempError("DNS took too long")
        asked = asyncio.run_coroutine_threadsafe(self._resolver.records(name, qtype), self._loop)
        try:
            records = asked.result(PATIENCE_SECONDS)
        except (LookupFailed, TimeoutError) as error:
            raise spf.TempError(f"DNS {error}") from None
        if qtype == "MX":
            return [(record.preference, record.host) for record in records]
        return [(record,) for record in records] if qtype == "TXT" else list(records)
