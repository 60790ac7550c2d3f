"""Which (IP, port) pairs each protocol listens on: the union of all enabled domains' (N-003)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Case, Count, F, IntegerField, Min, Value, When

from domains import ownaddresses
from domains.models import Domain
from listeners.sockets import Endpoint

SUBMISSION = "submission"
# Server-wide, whatever the domains say (N-004): implicit TLS and the standard ports, so that a
# fresh server without domains answers already.
SUBMISSIONS_PORT, POP3S_PORT, IMAPS_PORT, LDAPS_PORT = 465, 995, 993, 636
STANDARD = {
    "smtp": (
        (25, False, ""),
        (587, False, SUBMISSION),
        (SUBMISSIONS_PORT, True, SUBMISSION),
    ),
    "pop": ((110, False, ""), (POP3S_PORT, True, "")),
    "imap": ((143, False, ""), (IMAPS_PORT, True, "")),
    "ldap": ((389, False, ""), (LDAPS_PORT, True, "")),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one protocol is to bind. `sole_domain`: pairs that belong to exactly one domain."""

    endpoints: frozenset[Endpoint]
    sole_domain: dict[tuple[str, int], int]


def wanted(protocol: str) -> Wanted:
    """Read the endpoints of `smtp`, `pop`, `imap` or `ldap` from the domains' Technical tabs.

    A pair on the server's own address serves every domain that listens on "All", so only a pair
    on an address of its own can belong to one domain alone (N-010) - or every pair, while the
    server has a single domain.
    """
    owners: defaultdict[tuple[str, int], list[_Group]] = defaultdict(list)
    endpoints = {_endpoint(None, *row) for row in STANDARD[protocol]}
    groups = list(_groups(protocol))
    for group in groups:
        for claim in _claims(protocol, group):
            endpoints.add(claim)
            owners[claim.ip, claim.port].append(group)
    sole = {
        pair: claiming[0].domain_id
        for pair, claiming in owners.items()
        if len({group.domain_id for group in claiming}) == 1 and claiming[0].domains == 1
    }
    if sum(group.domains for group in groups) > 1:
        sole = {pair: owner for pair, owner in sole.items() if pair[0] != settings.MAILHOST_BIND}
    return Wanted(frozenset(endpoints), sole)


def names_by_address() -> dict[str, tuple[str, ...]]:
    """By which names the server is known on the addresses that domains have for themselves.

    Where several share one they are those of the first (D-033).
    """
    own = Domain.objects.filter(is_disabled=False, listen_ip__isnull=False).order_by()
    first = own.values("listen_ip").annotate(first=Min("pk")).values("first")
    rows = Domain.objects.filter(pk__in=first).values_list("listen_ip", "name")
    return {ip: (f"mail.{name}", name) for ip, name in rows if ip is not None}


@dataclass(frozen=True, slots=True)
class _Group:
    """Domains with the same address and ports: nearly all of a server are one such group."""

    listen_ip: str | None
    port: int
    alternate_port: int | None  # SMTP's, if it is switched on
    domains: int
    domain_id: int  # the first of them


_PORT = {"smtp": "smtp_port", "pop": "pop_port", "imap": "imap_port", "ldap": "ldap_port"}


def _groups(protocol: str) -> Iterator[_Group]:
    """Counted by the database: ten thousand domains are asked for every few seconds."""
    port = F(f"domaintechnical__{_PORT[protocol]}")
    alternate: Case | Value = Value(None, output_field=IntegerField())
    if protocol == "smtp":
        is_on = {"domaintechnical__smtp_alternate_port_enabled": True}
        alternate = Case(When(**is_on, then="domaintechnical__smtp_alternate_port"))
    rows = (
        Domain.objects.filter(is_disabled=False)
        .values_list("listen_ip", port, alternate)
        .annotate(Count("pk"), Min("pk"))
        .order_by()
    )
    for listen_ip, *rest in rows:
        # D-033: an address that is gone cannot be bound, and nobody could be reached there.
        is_lost = listen_ip is not None and not ownaddresses.is_here(listen_ip)
        yield _Group(None if is_lost else listen_ip, *rest)


def _claims(protocol: str, group: _Group) -> Iterator[Endpoint]:
    yield _endpoint(group.listen_ip, group.port)
    if group.alternate_port is not None:
        port = group.alternate_port
        yield _endpoint(group.listen_ip, port, port == SUBMISSIONS_PORT, SUBMISSION)
    if group.listen_ip is not None:
        # Implicit TLS is server-wide, also on an address that one domain has for itself.
        for port, is_tls, purpose in STANDARD[protocol]:
            if is_tls:
                yield _endpoint(group.listen_ip, port, is_tls, purpose)


def _endpoint(ip: str | None, port: int, is_tls: bool = False, purpose: str = "") -> Endpoint:
    bound = settings.MAILHOST_BIND if ip is None else ip
    return Endpoint(bound, port + settings.MAILHOST_PORT_OFFSET, is_tls, purpose)
