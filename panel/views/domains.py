"""The list of domains, and what is done to several of them at once (D-001…D-009)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts import permissions, provisioning, room, selectors
from accounts.permissions import Verb
from administration import bulkjobs
from domains.models import Domain
from jobs import services as jobs
from panel import bulk, domainactions, figures, notices, recycling, refusals
from panel.access import ACTION, FORM, PROVIDERS, actor_of, opens_for
from panel.domainlist import DomainListing, domains_in_sight
from panel.lists import BulkAction
from panel.notices import Undo
from panel.undoing import undo_of_this

# More names than this are not kept for Undo: they travel with the notice.
LARGEST_UNDO = 50
# More names than this are too many to look through before they go.
MOST_DELETED = 500


@opens_for(PROVIDERS)
def domains(request: HttpRequest) -> HttpResponseBase:
    listing = DomainListing(request, domains_in_sight(actor_of(request)), actions=bulk_actions())
    listing.add_url = reverse("panel:domain-new")
    listing.full = refusals.full(room.for_domain(actor_of(request)))
    actions = domainactions.allowed_to(actor_of(request))
    off = domainactions.off_for(row.pk for row in listing.rows)
    for row in listing.rows:
        vars(row)["actions"] = list(domainactions.links(actions, row.name, off=off.get(row.pk, ())))
    urls = {name: reverse(f"panel:domains-{name}") for name in ("enable", "disable", "delete")}
    return listing.response(
        urls=urls, row_actions=actions, figures=figures.of_provider(actor_of(request))
    )


@opens_for(PROVIDERS, methods=ACTION)
def enable(request: HttpRequest) -> HttpResponse:
    return _set_disabled(request, False)


@opens_for(PROVIDERS, methods=ACTION)
def disable(request: HttpRequest) -> HttpResponse:
    return _set_disabled(request, True)


@opens_for(PROVIDERS, methods=FORM)
def delete(request: HttpRequest) -> HttpResponse:
    """Asks first: the name of one domain, or how many, must be typed (D-009)."""
    actor = actor_of(request)
    if request.method == "POST":
        chosen = _selected(request)
    else:
        chosen = [selectors.domain_for(actor, request.GET.get("name", ""), verb=Verb.CLOSE_DOMAIN)]
    if not chosen or len(chosen) > MOST_DELETED:
        text = f"Select one to {MOST_DELETED} domains to delete."
        notices.warned(request, text)
        return redirect("panel:domains")
    wanted = chosen[0].unicode_name if len(chosen) == 1 else f"delete {len(chosen)} domains"
    typed = request.POST.get("confirmation")
    if typed is None or typed.strip() != wanted:
        context = {
            "domains": chosen,
            "wanted": wanted,
            "is_wrong": typed is not None,
            "way_back": recycling.in_words(),
        }
        return render(request, "panel/domains/delete.html", context)

    if len(chosen) > bulkjobs.MOST_DELETED_AT_ONCE:
        names = [domain.name for domain in chosen]
        job = jobs.start(bulkjobs.close_domains, by=actor, total=len(names), names=names)
        return bulk.follow(request, job, len(names), "domains")

    def close(domain: Domain) -> None:
        permissions.require(actor, Verb.CLOSE_DOMAIN, domain)
        provisioning.close_domain(domain=domain, by=actor)

    outcome = bulk.each(chosen, close)
    bulk.tell(request, "Deleted", outcome, "domains", undo=undo_of_this())
    return redirect("panel:domains")


def bulk_actions() -> tuple[BulkAction, ...]:
    return (
        BulkAction("Enable", "play", reverse("panel:domains-enable")),
        BulkAction("Disable", "pause", reverse("panel:domains-disable")),
        BulkAction("Delete…", "trash-2", reverse("panel:domains-delete"), is_danger=True),
    )


def _selected(request: HttpRequest) -> list[Domain]:
    listing = DomainListing(request, domains_in_sight(actor_of(request)))
    return list(listing.selected())


def _set_disabled(request: HttpRequest, is_disabled: bool) -> HttpResponse:
    actor = actor_of(request)
    chosen = [domain for domain in _selected(request) if domain.is_disabled != is_disabled]
    if not chosen:
        notices.warned(request, "No selected domain needed this.")
        return redirect(_back(request))

    if len(chosen) > bulkjobs.MOST_AT_ONCE:
        names = [domain.name for domain in chosen]
        job = jobs.start(
            bulkjobs.set_domains, by=actor, total=len(names), names=names, is_disabled=is_disabled
        )
        return bulk.follow(request, job, len(names), "domains")

    def change(domain: Domain) -> None:
        permissions.require(actor, Verb.DISABLE_DOMAIN, domain)
        provisioning.change_options(domain=domain, options={"is_disabled": is_disabled}, by=actor)

    outcome = bulk.each(chosen, change)
    opposite = reverse("panel:domains-enable" if is_disabled else "panel:domains-disable")
    names = [domain.name for domain in outcome.done]
    undo = Undo(opposite, {"selected": names}) if 0 < len(names) <= LARGEST_UNDO else None
    verb = "Disabled" if is_disabled else "Enabled"
    bulk.tell(request, verb, outcome, "domains", undo=undo)
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    """The list as it was filtered."""
    state = request.GET.urlencode()
    return reverse("panel:domains") + (f"?{state}" if state else "")


urlpatterns = [
    path("domains/", domains, name="domains"),
    path("domains/enable/", enable, name="domains-enable"),
    path("domains/disable/", disable, name="domains-disable"),
    path("domains/delete/", delete, name="domains-delete"),
]
