"""What the TLSA records of a mail server say, where DNSSEC proves them. RFC 7672 §2."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from protocols import dane
from protocols.dane import MalformedTlsa, Tlsa
from transport.authentic import AuthenticResolver
from zones.lookup import Answer, Unanswered


@dataclass(frozen=True, slots=True)
class DanePolicy:
    """`records` are the usable ones; none: encryption is demanded, of whatever certificate."""

    records: tuple[Tlsa, ...]
    lines: tuple[str, ...]  # all of them, for reports


class DaneBroken(Exception):
    """The records should be proven and cannot be had: the server is not to be used now."""


async def dane_policy(
    resolver: AuthenticResolver, domain: str, host: str, port: int
) -> DanePolicy | None:
    """None: DANE says nothing about the server. Raises DaneBroken.

    `domain` is where its MX records are; empty: an operator has named the server.
    """
    if domain and not await _is_proven(resolver, domain, ("MX",)):
        return None
    # RFC 7672 §2.2.2: servers whose addresses nobody proves are not asked for TLSA at all.
    if not await _is_proven(resolver, host, ("A", "AAAA")):
        return None
    name = f"_{port}._tcp.{host}"
    try:
        answer = await resolver.ask(name, "TLSA")
    except Unanswered as error:
        raise DaneBroken(f"the TLSA records of {host} cannot be looked up") from error
    if not answer.values or not answer.is_authentic:
        return None
    return _read(answer)


async def _is_proven(resolver: AuthenticResolver, name: str, record_types: tuple[str, ...]) -> bool:
    """Whether DNSSEC proves what is said of these. Raises DaneBroken.

    Silence is no proof of anything: without an answer the server might be a stranger's
    (RFC 7672 §2.1.1).
    """
    answers = []
    for record_type in record_types:
        with contextlib.suppress(Unanswered):
            answers.append(await resolver.ask(name, record_type))
    if not answers:
        raise DaneBroken(f"the records of {name} cannot be looked up")
    # RFC 7672 §2.2.1: a proof that there is no MX makes the domain its own server.
    return any(answer.is_authentic for answer in answers)


def _read(answer: Answer) -> DanePolicy:
    records = []
    for value in answer.values[: dane.MOST_RECORDS]:
        try:
            record = dane.parse(value)
        except MalformedTlsa:
            continue
        if record.is_usable:
            records.append(record)
    return DanePolicy(tuple(records), answer.values[: dane.MOST_RECORDS])
