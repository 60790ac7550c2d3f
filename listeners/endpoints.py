"""Which (IP, port) pairs each protocol listens on: the union of all enabled domains' (N-003)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from domains.models import Domain
from listeners.base import Endpoint

SUBMISSION = "submission"
# Server-wide, whatever the domains say (N-004): implicit TLS and the standard ports, so that a
# fresh server without domains answers already.
SUBMISSIONS_PORT, POP3S_PORT, IMAPS_PORT = 465, 995, 993
STANDARD = {
    "smtp": (
        (25, False, ""),
        (587, False, SUBMISSION),
        (SUBMISSIONS_PORT, True, SUBMISSION),
    ),
    "pop": ((110, False, ""), (POP3S_PORT, True, "")),
    "imap": ((143, False, ""), (IMAPS_PORT, True, "")),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one protocol is to bind. `sole_domain`: pairs that belong to exactly one domain."""

    endpoints: frozenset[Endpoint]
    sole_domain: dict[tuple[str, int], int]


def wanted(protocol: str) -> Wanted:
    """Read the endpoints of `smtp`, `pop` or `imap` from the domains' Technical tabs.

    A pair on the server's own address serves every domain that listens on "All", so only a pair
    on an address of its own can belong to one domain alone (N-010) - or every pair, while the
    server has a single domain.
    """
    owners: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    endpoints = {_endpoint(None, *row) for row in STANDARD[protocol]}
    domains = list(Domain.objects.filter(is_disabled=False).select_related("domaintechnical"))
    for domain in domains:
        for claim in _claims(protocol, domain):
            endpoints.add(claim)
            owners[claim.ip, claim.port].add(domain.pk)
    sole = {pair: min(ids) for pair, ids in owners.items() if len(ids) == 1}
    if len(domains) > 1:
        sole = {pair: owner for pair, owner in sole.items() if pair[0] != settings.MAILHOST_BIND}
    return Wanted(frozenset(endpoints), sole)


def _claims(protocol: str, domain: Domain) -> Iterator[Endpoint]:
    technical = domain.domaintechnical
    if protocol == "pop":
        yield _endpoint(domain.listen_ip, technical.pop_port)
    elif protocol == "imap":
        yield _endpoint(domain.listen_ip, technical.imap_port)
    else:
        yield _endpoint(domain.listen_ip, technical.smtp_port)
        if technical.smtp_alternate_port_enabled:
            port = technical.smtp_alternate_port
            yield _endpoint(domain.listen_ip, port, port == SUBMISSIONS_PORT, SUBMISSION)
    if domain.listen_ip is not None:
        # Implicit TLS is server-wide, also on an address that one domain has for itself.
        for port, is_tls, purpose in STANDARD[protocol]:
            if is_tls:
                yield _endpoint(domain.listen_ip, port, is_tls, purpose)


def _endpoint(ip: str | None, port: int, is_tls: bool = False, purpose: str = "") -> Endpoint:
    bound = settings.MAILHOST_BIND if ip is None else ip
    return Endpoint(bound, port + settings.MAILHOST_PORT_OFFSET, is_tls, purpose)
