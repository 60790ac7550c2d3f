"""Writes down what a run came to: when the next one is due, and that it fails again and again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings as conf
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string

from accounts.models import User
from blobs.errors import StoreError
from clock.moments import to_micros
from retrieval.models import RetrievalAccount
from spool import owedmail
from spool.models import Kind as MailKind
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

log = structlog.get_logger(__name__)

LONGEST_WAIT = timedelta(hours=6)
FAILURES_TOLD_OF = 10
ERROR_CHARACTERS = 400

_MARK = (
    "UPDATE retrieval_retrievalaccount SET told_at = %s"
    " WHERE id = %s AND told_at IS NULL AND failures >= %s"
)


@dataclass(slots=True)
class Outcome:
    """How one run went."""

    account_id: int
    claim: int
    count: int = 0
    error: str = ""  # for the user; empty: all went well
    has_failed: bool = False  # the account itself could not be fetched from
    has_more: bool = False  # there was no time for all
    is_lost: bool = False  # somebody else has it now, who writes down how it stands


def wait(interval_minutes: int, failures: int) -> timedelta:
    """Until the next run; after `failures` in a row it is doubled each time, up to six hours."""
    interval = timedelta(minutes=interval_minutes)
    if failures < 2:
        return interval
    # 2**9 minutes are more than the ceiling already.
    return max(interval, min(LONGEST_WAIT, interval * 2.0 ** min(failures - 1, 9)))


def write(outcome: Outcome, *, now: datetime) -> None:
    """Give the claim back with what the run came to, and tell the user if it is time to."""
    if outcome.is_lost:
        return
    with transaction.atomic():
        row = (
            RetrievalAccount.objects.select_for_update()
            .filter(pk=outcome.account_id, claimed_by=outcome.claim)
            .first()
        )
        if row is None:
            return
        row.failures = row.failures + 1 if outcome.has_failed else 0
        if not row.failures:
            row.told_at = None
        row.last_run_at, row.last_count = now, outcome.count
        row.last_error = outcome.error[:ERROR_CHARACTERS]
        row.claimed_by = row.claimed_until = None
        pause = timedelta() if outcome.has_more else wait(row.interval_minutes, row.failures)
        row.next_due_at = now + pause
        row.save(
            update_fields=[
                "failures", "told_at", "last_run_at", "last_count", "last_error", "claimed_by",
                "claimed_until", "next_due_at",
            ]
        )  # fmt: skip
        publish_on_commit(Topic.RETRIEVAL, row.pk)
    if row.failures >= FAILURES_TOLD_OF and row.told_at is None:
        _tell(row, now)


def _tell(row: RetrievalAccount, now: datetime) -> None:
    """Mail to the user, once until it works again; the mark goes with it."""
    user = User.objects.select_related("domain").filter(pk=row.user_id).first()
    if user is None or user.domain is None:
        return
    shown = {
        "name": str(row),
        "failures": row.failures,
        "error": row.last_error,
        "host": conf.MAILHOST_HOSTNAME,
    }
    subject = render_to_string("mail/retrieval_failing_subject.txt", shown)
    message = EmailMessage(
        " ".join(subject.split())[:200],
        render_to_string("mail/retrieval_failing.txt", shown),
        to=[f"{user.local_part}@{user.domain.name}"],
        headers={"X-MailHost-Kind": MailKind.NOTICE, "X-MailHost-Domain": str(user.domain_id)},
    )
    try:
        values = (to_micros(now), row.pk, FAILURES_TOLD_OF)
        owedmail.tell([message], mark=_MARK, values=values)
    except StoreError as error:
        log.warning("user cannot be told of a retrieval that fails", error=repr(error))
