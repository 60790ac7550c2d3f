"""Daily reports on TLS to the domains that ask for them (RFC 8460)."""

from __future__ import annotations

import socket
import time
from datetime import date, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from django.conf import settings as conf
from django.core.mail import EmailMessage
from django.db import DatabaseError
from django.db.models import Q

from blobs.errors import StoreError
from clock.moments import to_micros
from protocols import tlsreport
from protocols.tlsreport import Ended, Report
from spool import owedmail
from spool.backend import REFUSALS
from spool.models import Kind
from transport.models import TlsReport, TlsResult
from transport.settings import TRANSPORT
from zones.facts import new_lookup
from zones.lookup import Lookup, Unanswered

log = structlog.get_logger(__name__)

# RFC 8460 §5.5 wants a day of trying; what could not be sent by then is let go.
PATIENCE = timedelta(days=2)
REPORTS_KEPT = timedelta(days=30)
RUN_SECONDS = 480.0  # the next tick goes on
POST_SECONDS = (5.0, 20.0)  # to connect, and for each answer
LONGEST_ERROR = 300
# A process that died with a report gives it up after that long; nobody takes longer to send it.
TAKEN_FOR = timedelta(minutes=10)

_SENT = (
    "UPDATE transport_tlsreport SET sent_at = %s, last_error = '' WHERE id = %s AND sent_at IS NULL"
)


class NotSent(Exception):
    """One report did not get away, for the reason given."""


def report_due(
    *, now: datetime, lookup: Lookup | None = None, run_seconds: float = RUN_SECONDS
) -> int:
    """Send what is to be told of days that are over; how many reports went out."""
    until = time.monotonic() + run_seconds
    today = now.date()
    settings = TRANSPORT.load()
    if not settings.send_reports:
        TlsResult.objects.filter(day__lt=today).delete()
        return 0
    due = TlsResult.objects.filter(day__lt=today).order_by("day", "domain")
    sent = 0
    for day, domain in list(due.values_list("day", "domain").distinct()):
        sent += _report(day, domain, lookup or new_lookup(), now)
        if time.monotonic() >= until:
            break
    TlsReport.objects.filter(day__lt=today - REPORTS_KEPT).delete()
    return sent


def make_report(day: date, domain: str) -> Report:
    """From the rows; without `ended` there is nothing to tell."""
    rows = TlsResult.objects.filter(day=day, domain=domain).order_by("pk")
    return Report(
        day=day,
        domain=domain,
        organization=conf.MAILHOST_HOSTNAME,
        contact=TRANSPORT.load().report_contact or f"postmaster@{conf.MAILHOST_HOSTNAME}",
        ended=tuple(
            Ended(
                row.policy_type,
                tuple(row.policy),
                row.host,
                row.host_address,
                row.problem,
                row.sessions,
            )
            for row in rows
        ),
    )


def _report(day: date, domain: str, lookup: Lookup, now: datetime) -> int:
    rows = TlsResult.objects.filter(day=day, domain=domain)
    is_late = now.date() - day >= PATIENCE
    try:
        uris = tlsreport.wanted_by(lookup.ask(f"_smtp._tls.{domain}", "TXT").values)
    except Unanswered:
        if is_late:
            rows.delete()
        return 0
    report = make_report(day, domain) if uris else None
    sent, failed = 0, 0
    for uri in uris:
        assert report is not None
        is_sent = _send_once(report, uri, now)
        sent += is_sent is True
        failed += is_sent is False
    if not failed or is_late:
        rows.delete()
    return sent


def _send_once(report: Report, uri: str, now: datetime) -> bool | None:
    """None: it was sent before; False: not yet, or another process is at it."""
    row, _ = TlsReport.objects.get_or_create(day=report.day, domain=report.domain, uri=uri)
    if row.sent_at is not None:
        return None
    address = tlsreport.mail_address(uri)
    is_sent: bool | None
    try:
        if address is None:
            is_sent = _post_once(report, uri, row, now)
        else:
            is_sent = _mail_once(report, address, row, now)
    except NotSent as error:
        TlsReport.objects.filter(pk=row.pk).update(
            taken_until=None, last_error=str(error)[:LONGEST_ERROR]
        )
        log.info("report on TLS not sent", domain=report.domain, uri=uri, error=str(error))
        return False
    if is_sent:
        log.info("report on TLS sent", domain=report.domain, uri=uri, day=str(report.day))
    return is_sent


def _post_once(report: Report, uri: str, row: TlsReport, now: datetime) -> bool:
    """The row is taken for a while first, so that nobody gets it from two. Raises NotSent."""
    is_free = Q(taken_until=None) | Q(taken_until__lt=now)
    mine = TlsReport.objects.filter(is_free, pk=row.pk, sent_at=None)
    if not mine.update(taken_until=now + TAKEN_FOR):
        return False
    post(uri, report.encode())
    TlsReport.objects.filter(pk=row.pk).update(sent_at=now, last_error="")
    return True


def _mail_once(report: Report, address: str, row: TlsReport, now: datetime) -> bool | None:
    """The mail and the mark are one transaction. Raises NotSent."""
    mail = _message(report, address)
    try:
        told = owedmail.tell([mail], mark=_SENT, values=(to_micros(now), row.pk), must_reach=True)
    except (*REFUSALS, StoreError, DatabaseError) as error:
        raise NotSent(repr(error)) from error
    return None if told is None else True


class _ReportMail(EmailMessage):
    """RFC 8460 §5.3: multipart/report of the type tlsrpt."""

    mixed_subtype = "report"

    def message(self, *args: Any, **kwargs: Any) -> Any:
        made = super().message(*args, **kwargs)
        made.set_param("report-type", "tlsrpt")
        return made


def _message(report: Report, address: str) -> EmailMessage:
    submitter = report.organization
    mail = _ReportMail(
        subject=(
            f"Report Domain: {report.domain} Submitter: {submitter} Report-ID: <{report.report_id}>"
        ),
        body=(
            f"This is a report on TLS in sessions from {submitter} to {report.domain}"
            f" on {report.day}.\n"
        ),
        to=[address],
        headers={
            "TLS-Report-Domain": report.domain,
            "TLS-Report-Submitter": submitter,
            "X-MailHost-Kind": Kind.REPORT,
        },
    )
    mail.attach(report.file_name, report.encode(), "application/tlsrpt+gzip")
    return mail


def post(uri: str, body: bytes, *, authorities: str | None = None) -> None:
    """RFC 8460 §5.4. Raises NotSent."""
    if not leads_outside(uri):
        raise NotSent("it leads to an address that is not public")
    try:
        with requests.post(
            uri,
            data=body,
            headers={"Content-Type": "application/tlsrpt+gzip", "User-Agent": "MailHost"},
            timeout=POST_SECONDS,
            allow_redirects=False,
            stream=True,
            verify=authorities or True,
        ) as response:
            if not 200 <= response.status_code < 300:
                raise NotSent(f"the server answers with status {response.status_code}")
    except (requests.RequestException, ValueError) as error:
        raise NotSent(f"the server cannot be reached: {type(error).__name__}") from error


def leads_outside(uri: str) -> bool:
    """Strangers choose the address: machines of the inner network are not to be had by it."""
    try:
        parts = urlsplit(uri)
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return False
    return all(ip_address(str(each[4][0]).partition("%")[0]).is_global for each in found)
