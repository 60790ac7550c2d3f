"""DNS questions of a check: asked afresh, for every type of record, with the AD bit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
from dns.rdata import Rdata

R = TypeVar("R", bound=dns.resolver.BaseResolver)

QUESTION_SECONDS = 5.0
# All questions of one check together: a page waits for them.
PATIENCE_SECONDS = 25.0


class Unanswered(Exception):
    """DNS could not answer now: nothing is known about the name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    """`values` as a zone file has them: lower case, names without the final dot, TXT joined."""

    values: tuple[str, ...] = ()
    name_exists: bool = True
    is_authentic: bool = False  # the server says that DNSSEC proves it (RFC 4035 §3.2.3)


class Lookup:
    """Asks the given servers ("address" or "address:port"), or the system's if none is given.

    Nothing is remembered longer than the object lives: somebody has just changed a record.
    """

    def __init__(
        self, servers: Sequence[str] = (), *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._patience_seconds = patience_seconds
        self._until: float | None = None
        self._answers: dict[tuple[str, str], Answer] = {}
        self._resolver = configured(dns.resolver.Resolver, servers)

    def ask(self, name: str, record_type: str) -> Answer:
        """Raises Unanswered."""
        key = (name.lower().rstrip("."), record_type)
        if key not in self._answers:
            self._answers[key] = self._ask(*key)
        return self._answers[key]

    def addresses(self, host: str) -> tuple[str, ...]:
        """IPv6 first; empty if the name has none. Raises Unanswered."""
        return (*self.ask(host, "AAAA").values, *self.ask(host, "A").values)

    def _ask(self, name: str, record_type: str) -> Answer:
        now = time.monotonic()
        if self._until is None:
            self._until = now + self._patience_seconds
        left = self._until - now
        if left <= 0:
            raise Unanswered(name, "the name servers are too slow")
        try:
            answer = self._resolver.resolve(
                dns.name.from_text(name),
                record_type,
                raise_on_no_answer=False,
                lifetime=min(QUESTION_SECONDS, left),
            )
        except dns.resolver.NXDOMAIN:
            return Answer(name_exists=False)
        except (dns.resolver.YXDOMAIN, dns.name.LabelTooLong, dns.name.NameTooLong):
            return Answer(name_exists=False)
        except (dns.exception.DNSException, OSError) as error:
            raise Unanswered(name, "the name servers do not answer") from error
        is_authentic = bool(answer.response.flags & dns.flags.AD)
        return Answer(tuple(map(text_of, answer.rrset or ())), True, is_authentic)


def configured(kind: type[R], servers: Sequence[str]) -> R:
    """A resolver that asks for DNSSEC; where nobody is known to ask, no answer ever comes."""
    try:
        resolver = kind(configure=not servers)
    except dns.resolver.NoResolverConfiguration:
        resolver = kind(configure=False)
    if servers:
        resolver.nameservers = [_name_server(text) for text in servers]
    resolver.use_edns(0, dns.flags.DO, 1232)
    resolver.flags = dns.flags.RD | dns.flags.AD
    return resolver


def _name_server(text: str) -> dns.nameserver.Nameserver:
    host, colon, port = text.rpartition(":")
    if text.startswith("[") or (colon and ":" not in host):
        return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))
    return dns.nameserver.Do53Nameserver(text, 53)


def text_of(data: Rdata) -> str:
    """As Answer has it."""
    if data.rdtype == dns.rdatatype.TXT:
        joined: bytes = b"".join(data.strings)  # type: ignore[attr-defined]
        return joined.decode("ascii", "replace")
    text = data.to_text(origin=dns.name.root, relativize=False).lower()
    # The root stays: as the host of an MX it means that there is none (RFC 7505).
    return text if text == "." or text.endswith(" .") else text.removesuffix(".")
