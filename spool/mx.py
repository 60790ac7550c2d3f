"""Who receives mail for a domain: its MX hosts, or its own address. RFC 5321 §5, RFC 7505."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from dataclasses import dataclass

from protocols.smtp.outgoing import Verdict
from protocols.smtp.replies import Reply
from spool.resolver import LookupFailed, MxRecord, NameUnknown, Resolver

# RFC 5321 §5.1 lets a limit be set; a domain with hundreds of servers would keep a slot for hours.
MAX_HOSTS = 10
MAX_ADDRESSES = 20

NO_SUCH_DOMAIN = Reply(550, "5.1.2", "The domain {} does not exist")
TAKES_NO_MAIL = Reply(556, "5.1.10", "The domain {} takes no mail")  # RFC 7505 §4.2
NO_SERVER = Reply(550, "5.4.4", "The domain {} has no mail server")
LOOPS_TO_SELF = Reply(554, "5.4.6", "Mail for {} would come back to this server")
DNS_SILENT = Reply(451, "4.4.3", "The name servers of {} do not answer")
BAD_LITERAL = Reply(550, "5.1.2", "{} is not an address")


class NoHost(Exception):
    """Nobody can be asked to take mail for this domain, now or ever: `verdict` says which."""

    def __init__(self, reply: Reply, domain: str) -> None:
        super().__init__(domain)
        self.reply = Reply(reply.code, reply.enhanced, reply.text.format(domain))
        self.verdict = Verdict.DEFERRED if reply.is_temporary else Verdict.FAILED


@dataclass(frozen=True, slots=True)
class Host:
    """One address of one server; `name` is the one its certificate should show."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Ourselves:
    """By what this server would recognise itself among the servers of a domain."""

    names: frozenset[str]
    addresses: frozenset[str]

    def are(self, host: Host) -> bool:
        return host.name in self.names or host.address in self.addresses


NOBODY = Ourselves(frozenset(), frozenset())


async def hosts_for_domain(
    domain: str,
    *,
    resolver: Resolver,
    ourselves: Ourselves = NOBODY,
    randomness: random.Random | None = None,
) -> tuple[Host, ...]:
    """The hosts to try, in order: by preference, equals shuffled, IPv6 before IPv4 (S-053).

    Raises NoHost.
    """
    if domain.startswith("["):
        return (_literal(domain),)
    try:
        records = await resolver.mx(domain)
    except NameUnknown as error:
        raise NoHost(NO_SUCH_DOMAIN, domain) from error
    except LookupFailed as error:
        raise NoHost(DNS_SILENT, domain) from error
    if not records:
        return await _own_address(domain, resolver, ourselves)
    named = [record for record in records if record.host]
    if not named:
        raise NoHost(TAKES_NO_MAIL, domain)
    return await _hosts_of_records(
        domain, named, resolver, ourselves, randomness or random.Random()
    )


async def hosts_by_name(name: str, *, resolver: Resolver) -> tuple[Host, ...]:
    """The addresses of one server named by an operator, as a name or an address. Raises NoHost."""
    try:
        return (Host(name, str(ipaddress.ip_address(name.strip("[]")))),)
    except ValueError:
        return await _own_address(name, resolver, NOBODY)


def _literal(domain: str) -> Host:
    """RFC 5321 §4.1.3: [192.0.2.1] or [IPv6:2001:db8::1]."""
    text = domain.strip("[]")
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    try:
        return Host(domain, str(ipaddress.ip_address(text)))
    except ValueError as error:
        raise NoHost(BAD_LITERAL, domain) from error


async def _own_address(domain: str, resolver: Resolver, ourselves: Ourselves) -> tuple[Host, ...]:
    """RFC 5321 §5.1: without MX, the domain is treated as if it were its own at preference 0."""
    try:
        addresses = await resolver.addresses(domain)
    except NameUnknown as error:
        raise NoHost(NO_SUCH_DOMAIN, domain) from error
    except LookupFailed as error:
        raise NoHost(DNS_SILENT, domain) from error
    if not addresses:
        raise NoHost(NO_SERVER, domain)
    hosts = tuple(Host(domain, address) for address in addresses[:MAX_ADDRESSES])
    if any(ourselves.are(host) for host in hosts):
        raise NoHost(LOOPS_TO_SELF, domain)
    return hosts


async def _hosts_of_records(
    domain: str,
    records: Sequence[MxRecord],
    resolver: Resolver,
    ourselves: Ourselves,
    randomness: random.Random,
) -> tuple[Host, ...]:
    ranked = sorted(records, key=lambda record: (record.preference, randomness.random()))
    hosts: list[Host] = []
    is_uncertain = False
    own_preference: int | None = None
    for record in ranked[:MAX_HOSTS]:
        # RFC 5321 §5.1: from this server's own preference on, nobody is nearer to the mailbox.
        if own_preference is not None and record.preference >= own_preference:
            break
        try:
            addresses = await resolver.addresses(record.host)
        except LookupFailed:
            is_uncertain = True
            continue
        except NameUnknown:
            continue
        found = [Host(record.host, address) for address in addresses]
        if record.host in ourselves.names or any(ourselves.are(host) for host in found):
            own_preference = record.preference
            hosts = [host for host in hosts if _preference(host, ranked) < record.preference]
        else:
            hosts += found
    if hosts:
        return tuple(hosts[:MAX_ADDRESSES])
    if own_preference is not None:
        raise NoHost(LOOPS_TO_SELF, domain)
    raise NoHost(DNS_SILENT if is_uncertain else NO_SERVER, domain)


def _preference(host: Host, ranked: Sequence[MxRecord]) -> int:
    return next(record.preference for record in ranked if record.host == host.name)
