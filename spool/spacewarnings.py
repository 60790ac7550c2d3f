"""Telling a domain's administrators that its disk space is nearly or wholly used (D-083)."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from django.conf import settings as conf
from django.core.mail import EmailMessage
from django.db.models import BigIntegerField, F, Q
from django.db.models.functions import Cast
from django.template.loader import render_to_string

from accounts.models import Role, Status, User
from domains import directory as domain_directory
from domains.policy import MEGABYTE, DomainPolicy
from mailboxes.models import DomainUsage
from spool import owedmail
from spool.models import Kind
from units import sizes

log = structlog.get_logger(__name__)

EARLY, FULL = 90, 100
# A level is left only this many percent below it: who hovers about a limit is told once.
SLACK = 5

_MARK = (
    "UPDATE mailboxes_domainusage SET warned_percent = %s WHERE domain_id = %s"
    " AND warned_percent = %s"
)


def level(used: int, allowed: int | None, *, before: int, is_refusing: bool) -> int:
    """How full the domain counts as: 0, EARLY or FULL; `before` is what it counted as so far.

    `is_refusing`: mail was refused for want of room, so that `used` will not reach `allowed`.
    """
    if allowed is None:
        return 0
    percent = used * 100 / allowed
    is_near = percent >= FULL - SLACK
    if percent >= FULL or (is_near and (is_refusing or before == FULL)):
        return FULL
    if percent >= EARLY or (percent >= EARLY - SLACK and before >= EARLY):
        return EARLY
    return 0


def warn(domain_ids: Collection[int]) -> int:
    """Look at domains that have just refused mail; how many administrators were written to."""
    rows = DomainUsage.objects.filter(domain_id__in=domain_ids)
    return sum(_follow(row, is_refusing=True) for row in rows)


def warn_all() -> int:
    """Look at every domain that is near its limit, or was."""
    # Two gigabytes and more do not fit into the 32 bits that PostgreSQL would multiply in.
    megabytes = Cast("domain__domainlimits__disk_space_mb", BigIntegerField())
    is_near = Q(bytes__gt=0, limit_mb__gt=0, bytes__gte=F("limit_mb") * MEGABYTE * 9 / 10)
    usages = DomainUsage.objects.annotate(limit_mb=megabytes)
    rows = usages.filter(is_near | Q(warned_percent__gt=0))
    return sum(_follow(row, is_refusing=False) for row in rows)


def _follow(row: DomainUsage, *, is_refusing: bool) -> int:
    domain = domain_directory.policy(row.domain_id)
    if domain is None or domain.is_deleting:
        return 0
    before, allowed = row.warned_percent, domain.limits.disk_space_bytes
    after = level(row.bytes, allowed, before=before, is_refusing=is_refusing)
    if after == before:
        return 0
    messages = []
    if after > before:
        messages = _messages(domain, used=row.bytes, allowed=allowed or 0, percent=after)
        log.info("domain is short of space", domain=domain.name, percent=after)
    # Only one of several processes finds the row as it was.
    return owedmail.tell(messages, mark=_MARK, values=(after, row.pk, before)) or 0


def _messages(domain: DomainPolicy, *, used: int, allowed: int, percent: int) -> list[EmailMessage]:
    """One for each administrator who can be reached."""
    administrators = User.objects.filter(
        domain_id=domain.domain_id, role=Role.DOMAIN_ADMINISTRATOR
    ).exclude(status=Status.DISABLED)
    facts = {
        "domain": domain.unicode_name,
        "host": conf.MAILHOST_HOSTNAME,
        "is_full": percent == FULL,
        "used": sizes.in_words(used),
        "allowed": sizes.limit_in_words(allowed),
        "percent": used * 100 // allowed,
    }
    subject = render_to_string("mail/disk_space_subject.txt", facts).strip()
    text = render_to_string("mail/disk_space.txt", facts)
    # A notice comes in however full the domain is.
    headers = {"X-MailHost-Kind": Kind.NOTICE, "X-MailHost-Domain": str(domain.domain_id)}
    addresses = [f"{administrator.local_part}@{domain.name}" for administrator in administrators]
    return [EmailMessage(subject, text, to=[to], headers=headers) for to in addresses]
