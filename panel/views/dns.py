"""What must stand in a domain's DNS, and whether it does (D-028, G-030…G-032)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from accounts import selectors
from accounts.permissions import Verb
from clock.moments import utc_now
from domains.models import Domain
from panel import notices, ofdomain
from panel.access import ADMINISTRATORS, FORM, PROVIDERS, actor_of, opens_for
from zones import facts, services
from zones import selectors as zones
from zones.findings import Level
from zones.records import Need, Record

# The addresses behind the server's name are asked for; a page does not wait long for them.
PATIENCE_SECONDS = 3.0
GROUPS = (
    (Need.REQUIRED, "Needed", "Without these no mail flows."),
    (Need.ADVISED, "Advised", "Without these other servers trust the domain's mail less."),
    (Need.OPTIONAL, "Optional", "These make mail safer, and mail programs easier to set up."),
)
SAID = {
    Level.OK: "All records are as they should be.",
    Level.WARNING: "Mail flows, and something could be better.",
    Level.UNKNOWN: "Not everything could be looked up.",
    Level.ERROR: "Something is wrong: mail may not flow.",
}


@dataclass(frozen=True, slots=True)
class RecordGroup:
    """Records of one kind of need, and all of them as lines for a zone."""

    title: str
    text: str
    records: list[Record]

    @property
    def lines(self) -> str:
        return "\n".join(record.line for record in self.records)


@opens_for(ADMINISTRATORS, methods=FORM)
def dns(request: HttpRequest, name: str) -> HttpResponse:
    """The records and the last check; a POST checks them now."""
    domain = selectors.domain_for(actor_of(request), name, verb=Verb.VIEW)
    if request.method == "POST":
        report = services.check(domain, now=utc_now())
        say = notices.done if report.level == Level.OK else notices.warned
        say(request, f"Checked the records of {domain}. {SAID[report.level]}")
        return redirect("panel:dns", name)
    groups = _groups(domain)
    if request.GET.get("format") == "zone":
        return _zone_file(domain, groups)
    context = {"groups": groups, "report": zones.last_report(domain)}
    return render(request, "panel/domains/dns.html", {**context, **ofdomain.about(request, domain)})


@opens_for(PROVIDERS)
def opened(request: HttpRequest, name: str) -> HttpResponse:
    """What comes after a domain was opened; above all, its records."""
    domain = selectors.domain_for(actor_of(request), name, verb=Verb.CHANGE_OPTIONS)
    context: dict[str, Any] = {"groups": _groups(domain), **ofdomain.about(request, domain)}
    return render(request, "panel/domains/opened.html", context)


def _groups(domain: Domain) -> list[RecordGroup]:
    lookup = facts.new_lookup(patience_seconds=PATIENCE_SECONDS)
    return grouped(services.advise(domain, lookup=lookup))


def grouped(records: Iterable[Record]) -> list[RecordGroup]:
    """As `panel/domains/records.html` shows them."""
    records = tuple(records)
    found = [
        RecordGroup(title, text, [record for record in records if record.need == need])
        for need, title, text in GROUPS
    ]
    return [group for group in found if group.records]


def _zone_file(domain: Domain, groups: list[RecordGroup]) -> HttpResponse:
    text = "\n\n".join(f"; {group.title}\n{group.lines}" for group in groups)
    return HttpResponse(
        text + "\n",
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{domain.name}.zone"'},
    )


urlpatterns = [
    path("domain/<str:name>/dns/", dns, name="dns"),
    path("domain/<str:name>/opened/", opened, name="domain-opened"),
]
