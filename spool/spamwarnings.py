"""Administrators and the postmaster are told of a user who sends strikingly much (M-065)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import structlog
from django.conf import settings as conf
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from accounts.models import Role, Status, User
from clock.moments import to_micros
from operations import blocks
from operations.models import Block
from spool import owedmail, settings
from spool.models import Kind

log = structlog.get_logger(__name__)

_MARK = "UPDATE operations_block SET told_at = %s WHERE id = %s AND since = %s AND told_at IS NULL"


def send_due(now: datetime) -> int:
    """Mail about everybody of whom nobody was told; how many messages were written.

    Waits for the mail to be taken: not inside of a transaction, not from a coroutine.
    """
    due = blocks.untold(now=now).select_related("rule").order_by("pk")
    return sum(_tell(block, now) for block in due)


def _tell(block: Block, now: datetime) -> int:
    users = User.objects.select_related("domain").filter(pk__in=[block.account_id])
    user = users.first()
    messages = [] if user is None else list(_messages(block, user))
    values = (to_micros(now), block.pk, to_micros(block.since))
    try:
        return owedmail.tell(messages, mark=_MARK, values=values) or 0
    except Exception:
        log.exception("warning about a user not sent; tried again", user=str(user))
        return 0


def _messages(block: Block, user: User) -> Iterator[EmailMessage]:
    facts = {
        "who": str(user),
        "host": conf.MAILHOST_HOSTNAME,
        "is_notice": block.is_notice,
        "since": block.since,
        "until": block.until,
        "threshold": block.rule.threshold if block.rule else None,
        "minutes": block.rule.window_seconds // 60 if block.rule else None,
    }
    subject = render_to_string("mail/spamming_subject.txt", facts).strip()
    text = render_to_string("mail/spamming.txt", facts)
    headers: dict[str, str] = {"X-MailHost-Kind": Kind.NOTICE.value}
    if user.domain_id is not None:
        headers["X-MailHost-Domain"] = str(user.domain_id)
    for address in _readers(user):
        yield EmailMessage(subject, text, to=[address], headers=headers)


def _readers(user: User) -> Iterator[str]:
    """The administrators of the user's domain, and the postmaster if that is somebody else."""
    postmaster = settings.current().postmaster
    if user.domain is not None:
        rows = User.objects.filter(domain=user.domain, role=Role.DOMAIN_ADMINISTRATOR)
        for row in rows.exclude(status=Status.DISABLED).order_by("pk"):
            yield f"{row.local_part}@{user.domain.name}"
        if postmaster.rpartition("@")[2] == user.domain.name:
            return
    if postmaster:
        yield postmaster
