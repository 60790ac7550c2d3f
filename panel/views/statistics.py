"""Reports of the server and of one domain (R-010, R-021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse

from accounts import selectors
from accounts.models import User
from clock.moments import utc_now
from panel import ofdomain, reportpage
from panel.access import ADMINISTRATORS, SYSTEM, actor_of, opens_for
from reports import asking, kinds
from reports.errors import ReportUnknown
from reports.kinds import Scope
from reports.models import Kind
from reports.tables import Report


@dataclass(frozen=True, slots=True)
class Tab:
    label: str
    url: str
    is_active: bool


@opens_for(SYSTEM)
def of_system(request: HttpRequest, kind: str = Kind.SYSTEM_VOLUME) -> HttpResponseBase:
    wanted = _of_scope(kind, Scope.SYSTEM)
    report = _make(request, actor_of(request), wanted)
    tabs = [
        Tab(kinds.TITLES[one], reverse("panel:system-report", args=(one.value,)), one is wanted)
        for one in kinds.of_scope(Scope.SYSTEM)
    ]
    return _answer(request, report, tabs)


@opens_for(ADMINISTRATORS)
def of_domain(request: HttpRequest, name: str, kind: str = Kind.DOMAIN_TRAFFIC) -> HttpResponseBase:
    """The domain's own people see it where the feature is on (D-067)."""
    actor = actor_of(request)
    wanted = _of_scope(kind, Scope.DOMAIN)
    report = _make(request, actor, wanted, domain=name)
    tabs = [
        Tab(
            kinds.TITLES[one],
            reverse("panel:domain-report", args=(name, one.value)),
            one is wanted,
        )
        for one in kinds.of_scope(Scope.DOMAIN)
    ]
    about = ofdomain.about(request, selectors.domain_for(actor, name))
    return _answer(request, report, tabs, **about)


def _of_scope(text: str, scope: Scope) -> Kind:
    """Raises ReportUnknown."""
    kind = kinds.kind_of(text)
    if kinds.scope_of(kind) is not scope:
        raise ReportUnknown(text)
    return kind


def _make(request: HttpRequest, actor: User, kind: Kind, domain: str = "") -> Report:
    return asking.make_for(
        actor,
        kind,
        days=reportpage.days_in(request),
        now=utc_now(),
        domain=domain,
        inactive=reportpage.period_in(request),
    )


def _answer(
    request: HttpRequest, report: Report, tabs: list[Tab], **about: Any
) -> HttpResponseBase:
    if request.GET.get("format") == "csv":
        return reportpage.as_file(report)
    context = {"tabs": tabs, **reportpage.context(request, report), **about}
    return render(request, "panel/reports/report.html", context)


urlpatterns = [
    path("reports/system/", of_system, name="system-reports"),
    path("reports/system/<str:kind>/", of_system, name="system-report"),
    path("domain/<str:name>/reports/", of_domain, name="domain-reports"),
    path("domain/<str:name>/reports/<str:kind>/", of_domain, name="domain-report"),
]
