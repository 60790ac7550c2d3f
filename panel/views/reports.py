"""Reports: traffic by time and domain, and who uses how much space (R-010, R-015, R-021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path

from accounts import permissions, selectors
from accounts.models import Role, User
from clock.moments import utc_now
from domains.models import Domain
from mailboxes import spacereport
from panel import charts, csvfiles, reportpage
from panel.access import ADMINISTRATORS, OF_DOMAINS, PROVIDERS, actor_of, opens_for
from panel.lists import Column, Listing
from reports import asking
from reports.models import Kind
from reports.series import Days
from spool import traffic as ledger_traffic
from spool.traffic import Span
from units import moments, sizes

NAMES = ("accepted", "delivered", "relayed", "bounced", "expired", "discarded", "deleted")


@opens_for(ADMINISTRATORS)
def traffic(request: HttpRequest) -> HttpResponseBase:
    """System administrators see everything; others their domains; all may choose one."""
    actor = actor_of(request)
    chosen, domains = _scope(actor, request.GET.get("domain", ""))
    over = reportpage.days_in(request)
    spans = ledger_traffic.by_time(over.first, over.last, domains=domains)
    is_by_hour = over.count <= ledger_traffic.DAYS_BY_HOUR
    if request.GET.get("format") == "csv":
        heads = ["Time (UTC)", *(name.capitalize() for name in NAMES)]
        rows = ([span.starts_at, *(getattr(span, name) for name in NAMES)] for span in spans)
        return csvfiles.response("traffic.csv", heads, rows)
    context = {
        "spans": [span for span in reversed(spans) if any(_numbers(span))],
        "totals": [sum(numbers) for numbers in zip(*map(_numbers, spans), strict=True)],
        "names": NAMES,
        "chart": _chart(spans, is_by_hour=is_by_hour),
        "is_by_hour": is_by_hour,
        "range": over,
        "ranges": reportpage.RANGES,
        "today": utc_now().date(),
        "chosen": chosen,
        "top": _top(actor, over, domains) if chosen is None else [],
    }
    return render(request, "panel/reports/traffic.html", context)


class DomainSpace(Listing[Domain]):
    title = "Disk usage"
    singular, plural = "domain", "domains"
    sorted_by = "-used_bytes"
    searched = ("name__icontains", "unicode_name__icontains")
    rows_template = "panel/reports/domain_rows.html"
    columns = (
        Column("Domain", "name", lambda row: row.unicode_name),
        Column("Used", "used_bytes", lambda row: _megabytes(row.used_bytes), unit="MB"),
        Column(
            "Limit", "allowed_mb", lambda row: row.allowed_mb or None, is_number=True, unit="MB"
        ),
        Column("Messages", "held_messages", lambda row: row.held_messages, is_number=True),
    )


@opens_for(PROVIDERS)
def disk_usage(request: HttpRequest) -> HttpResponseBase:
    rows = spacereport.domains(selectors.domains_for(actor_of(request)))
    return DomainSpace(request, rows).response()


@opens_for(OF_DOMAINS)
def my_report(request: HttpRequest) -> HttpResponseBase:
    """A user's own figures (R-015, D-078)."""
    actor = actor_of(request)
    is_file = request.GET.get("format") == "csv"
    is_folders = is_file and request.GET.get("kind") == Kind.USER_FOLDERS
    kind = Kind.USER_FOLDERS if is_folders else Kind.USER_ACTIVITY
    report = asking.make_for(actor, kind, days=reportpage.days_in(request), now=utc_now())
    if is_file:
        return reportpage.as_file(report)
    user = spacereport.users(User.objects.filter(pk=actor.pk)).select_related("last_activity").get()
    context = {
        "user": user,
        "folders": spacereport.folders(actor),
        "last": getattr(user, "last_activity", None),
        **reportpage.context(request, report),
    }
    return render(request, "panel/reports/mine.html", context)


def _scope(actor: User, name: str) -> tuple[Domain | None, list[int] | None]:
    """The chosen domain, and the keys to count; None: all, with what is of no domain."""
    if actor.role == Role.DOMAIN_ADMINISTRATOR:
        name = name or (actor.domain.name if actor.domain else "")
    if name:
        domain = selectors.domain_for(actor, name)
        _require(actor, domain, "domain_reports")
        return domain, [domain.pk]
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return None, None
    return None, list(selectors.domains_for(actor).values_list("pk", flat=True))


def _require(actor: User, domain: Domain, feature: str) -> None:
    """The switch binds the domain's own people (D-067)."""
    if actor.role not in PROVIDERS:
        permissions.require_feature(domain, feature)


def _top(actor: User, over: Days, domains: Sequence[int] | None) -> list[tuple[str, Any]]:
    rows = ledger_traffic.by_domain(over.first, over.last, domains=domains, most=20)
    keys = [row.domain_id for row in rows]
    names = dict(selectors.domains_for(actor).filter(pk__in=keys).values_list("pk", "name"))
    return [(names.get(row.domain_id, ""), row) for row in rows]


def _chart(spans: Sequence[Span], *, is_by_hour: bool) -> charts.Chart | None:
    series = [
        ("delivered", "bar-green", [span.delivered for span in spans]),
        ("relayed", "bar-blue", [span.relayed for span in spans]),
        ("returned", "bar-red", [span.bounced + span.expired for span in spans]),
    ]
    starts = [span.starts_at for span in spans]
    labels = [moments.in_words(at) if is_by_hour else f"{at:%Y-%m-%d}" for at in starts]
    return charts.stacked(labels, series)


def _numbers(span: Span) -> list[int]:
    return [getattr(span, name) for name in NAMES]


def _megabytes(size_bytes: int) -> int:
    """Rounded up (X-001)."""
    return -(-size_bytes // sizes.MEGABYTE)


urlpatterns = [
    path("reports/traffic/", traffic, name="traffic"),
    path("reports/disk/", disk_usage, name="disk-usage"),
    path("reports/mine/", my_report, name="my-report"),
]
