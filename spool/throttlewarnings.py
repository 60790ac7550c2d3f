"""The domain's administrator is told once that a limit holds mail back (T-014)."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from accounts import directory as account_directory
from clock.moments import from_micros, to_micros
from domains import directory as domain_directory
from spool import owedmail, throttle
from spool.models import Kind, ThrottleCrossing
from spool.throttle import HOUR_MICROS, Reason

log = structlog.get_logger(__name__)

# What could not be told by then is no news any more.
WORTH_TELLING = timedelta(hours=6)

_MARK = "UPDATE spool_throttlecrossing SET warned_at = %s WHERE id = %s AND warned_at IS NULL"


def send_due(now: datetime) -> int:
    """One mail for each crossing that nobody has written about; how many were sent.

    Waits for the mail to be taken: not inside of a transaction, not from a coroutine.
    """
    due = ThrottleCrossing.objects.filter(warned_at=None, at__gt=now - WORTH_TELLING)
    return sum(_send(crossing, now) for crossing in due.order_by("pk"))


def _send(crossing: ThrottleCrossing, now: datetime) -> bool:
    """The mail goes with the mark, or neither does; one that fails is tried again."""
    to = _administrator(crossing.domain_id)
    messages = [] if to is None else [_message(crossing, to)]
    try:
        return bool(owedmail.tell(messages, mark=_MARK, values=(to_micros(now), crossing.pk)))
    except Exception:
        log.exception("throttle warning not sent; tried again", who=crossing.who)
        return False


def _message(crossing: ThrottleCrossing, to: str) -> EmailMessage:
    reason = Reason(crossing.reason)
    facts = {
        "who": crossing.who,
        "kind": crossing.kind,
        "reason": reason.value,
        "numbers": throttle.in_words(reason, crossing.used, crossing.allowed),
        "since": crossing.at,
        "until": from_micros((crossing.hour + 1) * HOUR_MICROS),
    }
    return EmailMessage(
        subject=render_to_string("mail/throttled_subject.txt", facts).strip(),
        body=render_to_string("mail/throttled.txt", facts),
        to=[to],
        # As spool.backend reads them: the domain's own priority for events (P-023).
        headers={
            "Auto-Submitted": "auto-generated",
            "X-MailHost-Kind": Kind.EVENT,
            "X-MailHost-Domain": str(crossing.domain_id),
        },
    )


def _administrator(domain_id: int) -> str | None:
    account_id = account_directory.primary_administrator(domain_id)
    account = None if account_id is None else account_directory.account(account_id)
    domain = domain_directory.policy(domain_id)
    if account is None or domain is None:
        return None
    return account_directory.address(account, domain)
