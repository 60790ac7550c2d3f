"""Tells of addresses that domains listen on and that are not on this machine (D-033).

To the log, to the audit trail, and to whoever asks: when one goes, and when it is missed no more.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from domains import ownaddresses
from domains.models import Domain
from events import audit
from operations.models import LostAddress

log = structlog.get_logger(__name__)


def look(*, now: datetime) -> frozenset[str]:
    """Which are missed now. May run in several processes at once: one of them tells."""
    listening = Domain.objects.filter(is_disabled=False, listen_ip__isnull=False).order_by()
    wanted = listening.values_list("listen_ip", flat=True).distinct()
    lost = frozenset(ip for ip in wanted if ip is not None and not ownaddresses.is_here(ip))
    node = settings.MAILHOST_NODE
    rows = {row.address: row for row in LostAddress.objects.filter(node=node)}
    for address in sorted(lost - rows.keys()):
        _lose(address, node, now)
    for address in sorted(rows.keys() - lost):
        _find(rows[address])
    return lost


def row_for(domain: Domain) -> LostAddress | None:
    """What is missed of the domain; None: it listens where it should."""
    if domain.listen_ip is None or domain.is_disabled:
        return None
    return LostAddress.objects.filter(address=domain.listen_ip).order_by("since").first()


def domains_without(domains: QuerySet[Domain]) -> QuerySet[Domain]:
    """Those of the domains whose address is missed."""
    lost = LostAddress.objects.values("address")
    return domains.filter(is_disabled=False, listen_ip__in=lost)


@transaction.atomic
def _lose(address: str, node: int, now: datetime) -> None:
    row, is_new = LostAddress.objects.get_or_create(
        address=address, node=node, defaults={"since": now}
    )
    if not is_new:
        return
    domains = domains_without(Domain.objects.all()).filter(listen_ip=address).count()
    audit.record(None, "lost address", row, {"domains": (domains, 0)})
    log.error("address is gone: its domains listen on all", address=address, domains=domains)


@transaction.atomic
def _find(row: LostAddress) -> None:
    deleted, _ = LostAddress.objects.filter(pk=row.pk).delete()
    if deleted:
        audit.record(None, "no longer misses address", row)
        log.info("address is missed no longer", address=row.address)
