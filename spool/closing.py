"""What the spool gives up with a domain: mail that the domain was still sending (D-008)."""

from __future__ import annotations

import structlog

from clock.moments import utc_now
from spool import deleting
from spool.models import SpooledMessage

log = structlog.get_logger()

BATCH = 500


def give_up_domain(domain_id: int) -> None:
    """Drop what waits to leave; mail for its mailboxes bounces by itself when they are gone."""
    waiting = SpooledMessage.objects.filter(domain=domain_id, finished_at=None).order_by("id")
    while ids := list(waiting.values_list("id", flat=True)[:BATCH]):
        count = deleting.give_up(ids, now=utc_now())
        log.info("mail of a deleted domain dropped", domain=domain_id, messages=count)
