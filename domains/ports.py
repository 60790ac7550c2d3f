"""Which port belongs to which protocol: one for each port of an IP address (N-003, D-049)."""

from __future__ import annotations

from collections import Counter

from django.db import connection
from django.db.models import Q

from domains.errors import PortClaimed
from domains.models import Domain, DomainTechnical

PROTOCOLS = {
    "smtp_port": "SMTP",
    "smtp_alternate_port": "submission",
    "pop_port": "POP3",
    "imap_port": "IMAP",
    "ldap_port": "LDAP",
}

USUAL = {field: getattr(DomainTechnical(), field) for field in PROTOCOLS}
# Held until the transaction ends; the number is any that nobody else takes.
_PORTS_LOCK = 0x706F727473

# N-004: these listen on every address of the server and speak TLS from the first byte.
IMPLICIT_TLS = {465: "submission", 993: "IMAP", 995: "POP3", 636: "LDAP"}


def claims(row: DomainTechnical) -> dict[str, int]:
    """Field to port, for every port that the domain opens."""
    return {
        field: getattr(row, field)
        for field in PROTOCOLS
        if field != "smtp_alternate_port" or row.smtp_alternate_port_enabled
    }


def require_free(domain: Domain, row: DomainTechnical) -> None:
    """Raises PortClaimed if two protocols would meet on a port, in this domain or with others."""
    claimed = require_apart(row)
    _queue(claimed)
    _require_free_of_others(domain, claimed)


def _queue(claimed: dict[str, int]) -> None:
    """Two domains that claim one port at the same moment: the second one sees the first one's.

    Those with the usual ports only, which are most, do not wait for each other: they never clash.
    SQLite has one writer in any case.
    """
    if connection.vendor != "postgresql":
        return
    is_usual = all(port == USUAL[field] for field, port in claimed.items())
    lock = "pg_advisory_xact_lock_shared" if is_usual else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(%s)", (_PORTS_LOCK,))


def require_apart(row: DomainTechnical) -> dict[str, int]:
    """The same within one domain; what it claims."""
    claimed = claims(row)
    shared = Counter(claimed.values())
    for field, port in claimed.items():
        if shared[port] > 1:
            raise PortClaimed(field, port, "another protocol of this domain")
        # D-044: 465 as the alternate port means implicit TLS, and so is not in the way.
        if port in IMPLICIT_TLS and (field, port) != ("smtp_alternate_port", 465):
            raise PortClaimed(field, port, f"{IMPLICIT_TLS[port]} over TLS")
    return claimed


def _require_free_of_others(domain: Domain, claimed: dict[str, int]) -> None:
    clashes = Q()
    for field in PROTOCOLS:
        ports = [port for mine, port in claimed.items() if mine != field]
        clash = Q(**{f"{field}__in": ports})
        if field == "smtp_alternate_port":
            clash &= Q(smtp_alternate_port_enabled=True)
        clashes |= clash
    others = DomainTechnical.objects.filter(clashes, domain__recycled=None)
    others = others.exclude(pk=domain.pk)
    if domain.listen_ip is not None:
        others = others.filter(Q(domain__listen_ip=None) | Q(domain__listen_ip=domain.listen_ip))
    other = others.select_related("domain").first()
    if other is not None:
        _refuse(claimed, other)


def _refuse(claimed: dict[str, int], other: DomainTechnical) -> None:
    for field, port in claimed.items():
        for theirs, their_port in claims(other).items():
            if theirs != field and their_port == port:
                # Not whose: the other domain may belong to another customer.
                raise PortClaimed(field, port, f"{PROTOCOLS[theirs]} of another domain")
