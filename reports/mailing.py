"""Sending reports that are due: none is lost by a crash, and none is sent twice (R-020).

That a report is due is a row before anything is sent. Each message has a Message-ID of its own,
which is looked up in the trace: whoever begins again leaves out what the spool already has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from email.utils import formataddr, parseaddr
from typing import Any

import structlog
from django.conf import settings as conf
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string

from accounts import permissions
from accounts.errors import FeatureOff
from accounts.inactivity import Period
from blobs.errors import StoreError
from clock.moments import to_micros, utc_now
from domains.errors import Refused
from reports import asking, csvtext, rhythm, schedules
from reports.models import Kind, Run, Schedule
from reports.series import Days
from reports.tables import Cell, Report
from spool import models as spool_models
from spool.backend import REFUSALS
from spool.errors import SpoolFull
from spool.models import SpooledMessage

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)
PATIENCE = timedelta(days=3)
MOST_AT_ONCE = 200
# A message shows so many rows; the file that comes with it has all.
ROWS_IN_MAIL = 200


class _Later(Exception):
    """The spool takes nothing now, or another process has taken over."""


def open_due(*, now: datetime) -> int:
    """Write down what is due; how many. Of times that were missed the last one counts."""
    due = Schedule.objects.filter(is_paused=False, next_at__lte=now).order_by("next_at")
    count = 0
    for number in list(due.values_list("pk", flat=True)[:MOST_AT_ONCE]):
        count += _open(number, now)
    return count


@transaction.atomic
def _open(number: int, now: datetime) -> bool:
    row = (
        Schedule.objects.select_for_update()
        .filter(pk=number, is_paused=False, next_at__lte=now)
        .first()
    )
    if row is None or row.next_at is None:
        return False
    schedules.open_run(row, row.next_at)
    row.next_at = rhythm.next_after(row.rhythm, row.hour, now)
    row.save(update_fields=["next_at"])
    return True


def send_pending(*, now: datetime) -> int:
    """Send what is due and in nobody's hands; how many reports were brought to their end."""
    free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    rows = Run.objects.filter(free, state=Run.State.PENDING).order_by("pk")
    return sum(
        _send(number, now) for number in list(rows.values_list("pk", flat=True)[:MOST_AT_ONCE])
    )


def _send(number: int, now: datetime) -> bool:
    claim = _Claim(number)
    if not claim.take(now):
        return False
    run = Run.objects.select_related(
        "schedule__domain", "schedule__account__domain", "schedule__owner__domain"
    ).get(pk=number)
    try:
        state, note = _deliver(run, claim, now)
    except _Later:
        if now - run.due_at < PATIENCE:
            claim.give_back()
            return False
        state, note = Run.State.FAILED, "the spool took nothing for three days"
    log.info("mailed report ended", run=number, state=state.value, note=note)
    return claim.finish(state, note)


def _deliver(run: Run, claim: _Claim, now: datetime) -> tuple[Run.State, str]:
    """How it ended, and why not or to whom not. Raises _Later."""
    row = run.schedule
    if obstacle := _obstacle(row):
        return Run.State.SKIPPED, obstacle
    try:
        report = _make(run, now)
    except Refused as error:
        return Run.State.SKIPPED, f"its owner may not see it any more: {error}"
    refused = []
    for address in row.addresses:
        if _is_sent(run, address):
            continue
        if not claim.renew():
            raise _Later
        try:
            _message(run, report, address).send()
        except (SpoolFull, StoreError):
            raise _Later from None
        except REFUSALS as error:
            refused.append(f"{address}: {error}")
    is_sent = len(refused) < len(row.addresses)
    return (Run.State.SENT if is_sent else Run.State.FAILED), "; ".join(refused)


def _obstacle(row: Schedule) -> str:
    """Why nothing is sent this time; empty: nothing is in the way."""
    domain = schedules.domain_of(row)
    if row.owner is None:
        return "whoever asked for it is gone"
    for one in (domain, row.owner.domain):
        if one is not None and (one.is_disabled or one.is_deleting):
            return f"the domain {one.name} is disabled"
    if domain is None:
        return ""
    try:
        permissions.require_feature(domain, "email_reports")
    except FeatureOff:
        return "mailed reports are switched off for the domain"
    return ""


def _make(run: Run, now: datetime) -> Report:
    """With the rights that its owner has now. Raises Refused."""
    row = run.schedule
    assert row.owner is not None, "without one it is skipped"
    return asking.make_for(
        row.owner,
        Kind(row.kind),
        days=Days(run.first, run.last),
        now=now,
        domain=row.domain.name if row.domain else "",
        address=str(row.account) if row.account else "",
        inactive=Period(row.inactive),
    )


def _message(run: Run, report: Report, address: str) -> EmailMultiAlternatives:
    """To one address, answered by no machine (RFC 3834)."""
    domain = schedules.domain_of(run.schedule)
    facts = {
        "report": report,
        "heads": report.columns,
        "rows": _lines(report),
        "totals": _words(report, report.totals()),
        "is_cut": report.is_cut or len(report.rows) > ROWS_IN_MAIL,
        "host": conf.MAILHOST_HOSTNAME,
    }
    headers = {
        "Message-ID": f"<{_message_id(run, address)}>",
        "X-MailHost-Kind": spool_models.Kind.REPORT.value,
        "Auto-Submitted": "auto-generated",
    }
    if domain is not None:
        headers["X-MailHost-Domain"] = str(domain.pk)
    message = EmailMultiAlternatives(
        _subject(report),
        render_to_string("mail/report.txt", facts),
        from_email=formataddr(("Reports", parseaddr(conf.DEFAULT_FROM_EMAIL)[1])),
        to=[address],
        headers=headers,
    )
    message.attach_alternative(render_to_string("mail/report.html", facts), "text/html")
    message.attach(report.file_name, "".join(csvtext.lines(*report.for_file())), "text/csv")
    return message


def _subject(report: Report) -> str:
    days = report.days
    if not report.has_days:
        return f"{report.heading}, {days.last}"
    span = str(days.first) if days.count == 1 else f"{days.first} to {days.last}"
    return f"{report.heading}, {span}"


def _lines(report: Report) -> list[list[tuple[str, bool]]]:
    """The latest day, or the largest, comes first."""
    rows = list(reversed(report.rows)) if report.is_by_time else list(report.rows)
    return [_words(report, row) for row in rows[:ROWS_IN_MAIL]]


def _words(report: Report, row: Iterable[Cell]) -> list[tuple[str, bool]]:
    """Each cell with whether it is a number."""
    columns = report.columns
    return [
        (report.words(place, value), columns[place].is_number) for place, value in enumerate(row)
    ]


def _is_sent(run: Run, address: str) -> bool:
    return SpooledMessage.objects.filter(message_id=_message_id(run, address)).exists()


def _message_id(run: Run, address: str) -> str:
    whom = hashlib.sha256(address.encode()).hexdigest()[:16]
    return f"report-{run.pk}-{to_micros(run.due_at):x}-{whom}@{conf.MAILHOST_HOSTNAME}"


class _Claim:
    """One process's hold of a run; it lapses by itself when the process dies."""

    def __init__(self, number: int) -> None:
        self._rows: Any = Run.objects.filter(pk=number, state=Run.State.PENDING)
        self._until: datetime | None = None

    def take(self, now: datetime) -> bool:
        free = self._rows.filter(Q(claimed_until=None) | Q(claimed_until__lt=now))
        return self._move(free)

    def renew(self) -> bool:
        """False: it had lapsed, and another has it."""
        return self._move(self._rows.filter(claimed_until=self._until))

    def give_back(self) -> None:
        self._rows.filter(claimed_until=self._until).update(claimed_until=None)

    def finish(self, state: Run.State, note: str) -> bool:
        mine = self._rows.filter(claimed_until=self._until)
        values = {"state": state, "note": note[:500], "finished_at": utc_now()}
        return bool(mine.update(**values, claimed_until=None))

    def _move(self, rows: Any) -> bool:
        until = utc_now() + LEASE
        if not rows.update(claimed_until=until):
            return False
        self._until = until
        return True
