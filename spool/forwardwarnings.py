"""Telling users that their mail is no longer forwarded to a domain that was blacklisted (G-047)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256

import structlog
from django.conf import settings as conf
from django.core.mail import EmailMessage
from django.db.models import TextField
from django.db.models.functions import Cast
from django.template.loader import render_to_string

from accounts import forwarding
from accounts.models import ForwardingBan, Status, User
from spool.backend import REFUSALS
from spool.models import Kind, SpooledMessage

log = structlog.get_logger(__name__)

# Longer than any tick is late, and less than notices are remembered.
NEW_FOR = timedelta(days=2)


def warn(*, now: datetime) -> int:
    """For entries of the blacklist that are new; how many users were written to.

    Each is told once of each entry: the notice's Message-ID is made of both, and looked up.
    """
    fresh = ForwardingBan.objects.filter(created_at__gt=now - NEW_FOR).order_by("pk")
    return sum(_tell(ban, user, stopped) for ban in fresh for user, stopped in _stopped(ban))


def _stopped(ban: ForwardingBan) -> Iterator[tuple[User, list[str]]]:
    """Who forwards there, and to which addresses."""
    ending = ban.name.removeprefix("*")
    users = User.objects.alias(as_text=Cast("forward_to", TextField())).filter(
        as_text__icontains=f'{ending}"', domain__domaintechnical__bypass_forward_blacklist=False
    )
    patterns = frozenset({ban.name})
    for user in users.exclude(status=Status.DISABLED).select_related("domain").order_by("pk"):
        stopped = [
            text
            for text in user.forward_to
            if forwarding.matches(text.rpartition("@")[2], patterns)
        ]
        if stopped:
            yield user, stopped


def _tell(ban: ForwardingBan, user: User, stopped: list[str]) -> bool:
    if user.domain is None:
        return False
    facts = f"{ban.pk} {ban.created_at.timestamp()} {user.pk}"
    mark = sha256(f"stopped forward {facts}".encode()).hexdigest()[:32]
    message_id = f"{mark}@{conf.MAILHOST_HOSTNAME}"
    if SpooledMessage.objects.filter(message_id=message_id).exists():
        return False
    shown = {"addresses": stopped, "domain": ban.name, "host": conf.MAILHOST_HOSTNAME}
    subject = render_to_string("mail/forward_stopped_subject.txt", shown).strip()
    text = render_to_string("mail/forward_stopped.txt", shown)
    headers = {
        "Message-ID": f"<{message_id}>",
        "X-MailHost-Kind": Kind.NOTICE,
        "X-MailHost-Domain": str(user.domain_id),
    }
    to = [f"{user.local_part}@{user.domain.name}"]
    try:
        EmailMessage(subject, text, to=to, headers=headers).send()
    except REFUSALS as error:
        log.warning("user cannot be told of a stopped forward", to=to[0], error=repr(error))
        return False
    return True
