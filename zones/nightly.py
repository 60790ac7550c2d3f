"""The check of all domains in the night, a few at a time (G-032)."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings as conf
from django.core.mail import EmailMessage
from django.db.models import F, Q
from django.template.loader import render_to_string

from accounts.models import Role, Status, User
from domains.models import Domain
from spool.backend import REFUSALS
from spool.models import Kind
from zones import services
from zones.services import Report

log = structlog.get_logger(__name__)

# Less than a day: a tick that comes a little earlier than yesterday's is not in vain.
FRESH_FOR = timedelta(hours=20)
RUN_SECONDS = 480.0  # the next tick goes on
PAUSE_SECONDS = 0.2  # name servers count questions


def check_due(
    *, now: datetime, run_seconds: float = RUN_SECONDS, pause_seconds: float = PAUSE_SECONDS
) -> int:
    """Check the domains whose last check is the longest ago; how many there were."""
    until = time.monotonic() + run_seconds
    checked = 0
    for domain in _due(now):
        report = services.check(domain, now=now)
        if report.broken:
            tell(report)
        checked += 1
        time.sleep(pause_seconds)
        if time.monotonic() >= until:
            break
    return checked


def tell(report: Report) -> int:
    """Write to the administrators of the domain; how many were written to."""
    domain = report.domain
    facts = {
        "domain": domain.unicode_name,
        "host": conf.MAILHOST_HOSTNAME,
        "broken": report.broken,
    }
    subject = render_to_string("mail/dns_broken_subject.txt", facts).strip()
    text = render_to_string("mail/dns_broken.txt", facts)
    headers = {"X-MailHost-Kind": Kind.NOTICE, "X-MailHost-Domain": str(domain.pk)}
    administrators = User.objects.filter(domain=domain, role=Role.DOMAIN_ADMINISTRATOR).exclude(
        status=Status.DISABLED
    )
    written = 0
    for administrator in administrators:
        to = [f"{administrator.local_part}@{domain.name}"]
        try:
            written += EmailMessage(subject, text, to=to, headers=headers).send()
        except REFUSALS as error:
            log.warning("administrator cannot be told", to=to[0], error=repr(error))
    keys = [finding.check for finding in report.broken]
    log.warning("DNS of a domain broke", domain=domain.name, checks=keys)
    return written


def _due(now: datetime) -> list[Domain]:
    stale = Q(zone_check=None) | Q(zone_check__checked_at__lt=now - FRESH_FOR)
    wanted = Domain.objects.filter(stale, is_disabled=False, is_deleting=False)
    return list(wanted.order_by(F("zone_check__checked_at").asc(nulls_first=True), "pk"))
