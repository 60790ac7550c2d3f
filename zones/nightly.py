"""The check of all domains in the night, a few at a time (G-032)."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings as conf
from django.core.mail import EmailMessage
from django.db.models import F, Q, QuerySet
from django.template.loader import render_to_string

from accounts.models import Role, Status, User
from clock.moments import to_micros
from domains.models import Domain
from spool import owedmail
from spool.models import Kind
from zones import selectors, services
from zones.findings import Finding, Level
from zones.models import ZoneCheck

log = structlog.get_logger(__name__)

# Less than a day: a tick that comes a little earlier than yesterday's is not in vain.
FRESH_FOR = timedelta(hours=20)
RUN_SECONDS = 480.0  # the next tick goes on
PAUSE_SECONDS = 0.2  # name servers count questions

_MARK = (
    "UPDATE zones_zonecheck SET untold = '[]', untold_at = NULL"
    " WHERE domain_id = %s AND untold_at = %s"
)


def check_due(
    *, now: datetime, run_seconds: float = RUN_SECONDS, pause_seconds: float = PAUSE_SECONDS
) -> int:
    """Check the domains whose last check is the longest ago; how many there were."""
    until = time.monotonic() + run_seconds
    checked = 0
    for domain in _due(now):
        services.check(domain, now=now, is_news=True)
        _tell_all(_untold().filter(domain=domain))
        checked += 1
        time.sleep(pause_seconds)
        if time.monotonic() >= until:
            break
    return checked


def tell_due() -> int:
    """Tell administrators of what a check found whose process then died; how many were told.

    Waits for the mail to be taken: not inside of a transaction, not from a coroutine.
    """
    return _tell_all(_untold())


def _untold() -> QuerySet[ZoneCheck]:
    wanted = Domain.objects.filter(is_disabled=False, is_deleting=False)
    rows = ZoneCheck.objects.filter(untold_at__isnull=False, domain__in=wanted)
    return rows.select_related("domain").order_by("pk")


def _tell_all(rows: QuerySet[ZoneCheck]) -> int:
    return sum(_tell(row.domain, row.untold, row.untold_at) for row in rows)


def _tell(domain: Domain, untold: Collection[str], found_at: datetime | None) -> int:
    """The mail goes with the mark, or neither does; one that fails is tried again."""
    report = selectors.last_report(domain)
    assert report is not None and found_at is not None
    broken = [
        each for each in report.findings if each.check in untold and each.level is Level.ERROR
    ]
    # DNS has fallen silent: when it speaks again there is something to say.
    if not broken:
        return 0
    try:
        told = owedmail.tell(
            _messages(domain, broken), mark=_MARK, values=(domain.pk, to_micros(found_at))
        )
    except Exception:
        log.exception("note about DNS not sent; tried again", domain=domain.name)
        return 0
    if told is not None:
        keys = [finding.check for finding in broken]
        log.warning("DNS of a domain broke", domain=domain.name, checks=keys)
    return told or 0


def _messages(domain: Domain, broken: Sequence[Finding]) -> list[EmailMessage]:
    """One for each administrator of the domain."""
    facts = {
        "domain": domain.unicode_name,
        "host": conf.MAILHOST_HOSTNAME,
        "broken": broken,
    }
    subject = render_to_string("mail/dns_broken_subject.txt", facts).strip()
    text = render_to_string("mail/dns_broken.txt", facts)
    headers = {"X-MailHost-Kind": Kind.NOTICE, "X-MailHost-Domain": str(domain.pk)}
    administrators = User.objects.filter(domain=domain, role=Role.DOMAIN_ADMINISTRATOR).exclude(
        status=Status.DISABLED
    )
    addresses = [f"{administrator.local_part}@{domain.name}" for administrator in administrators]
    return [EmailMessage(subject, text, to=[to], headers=headers) for to in addresses]


def _due(now: datetime) -> list[Domain]:
    stale = Q(zone_check=None) | Q(zone_check__checked_at__lt=now - FRESH_FOR)
    wanted = Domain.objects.filter(stale, is_disabled=False, is_deleting=False)
    return list(wanted.order_by(F("zone_check__checked_at").asc(nulls_first=True), "pk"))
