"""Further names of a domain: list, add, delete (D-100…D-102)."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse

from accounts import room, selectors
from accounts.models import User
from accounts.permissions import Verb
from domains import services
from domains.models import Domain, DomainAlias
from panel import bulk, confirming, notices, ofdomain, refusals
from panel.access import ACTION, ADMINISTRATORS, FORM, actor_of, opens_for
from panel.aliaslist import DomainAliasListing
from panel.confirming import Question
from panel.forms.aliases import DomainAliasForm
from panel.lists import BulkAction
from panel.undoing import undo_of_this


@opens_for(ADMINISTRATORS, methods=FORM)
def domain_aliases(request: HttpRequest, name: str) -> HttpResponseBase:
    """The list; a POST adds one."""
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_DOMAIN_ALIASES)
    form = DomainAliasForm(request.POST if request.method == "POST" else None)
    added: list[DomainAlias] = []

    def add() -> None:
        added.append(services.add_alias(domain=domain, name=form.cleaned_data["name"], by=actor))

    if form.is_bound and form.is_valid() and form.save(add):
        text = f"Added {added[0]}. Mail for it arrives as soon as its MX points here."
        notices.done(request, text, undo=undo_of_this())
        return redirect("panel:domain-aliases", name)
    delete_url = reverse("panel:domain-aliases-delete", args=(domain.name,))
    actions = (BulkAction("Delete…", "trash-2", delete_url, is_danger=True),)
    listing = DomainAliasListing(request, _aliases(actor, domain), actions=actions)
    listing.full = refusals.full(room.for_domain_alias(domain))
    in_use = next(one for one in selectors.in_use(domain) if one.limit == "domain_aliases")
    return listing.response(
        form=form, in_use=in_use, delete_url=delete_url, **ofdomain.about(request, domain)
    )


@opens_for(ADMINISTRATORS, methods=ACTION)
def delete(request: HttpRequest, name: str) -> HttpResponse:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_DOMAIN_ALIASES)
    back = reverse("panel:domain-aliases", args=(domain.name,))
    chosen = list(DomainAliasListing(request, _aliases(actor, domain)).selected())
    if not chosen:
        notices.warned(request, "Select the domain aliases to delete.")
        return redirect(back)
    one = len(chosen) == 1
    question = Question(
        heading="Delete domain alias" if one else f"Delete {len(chosen)} domain aliases",
        warning="From then on mail for these names is refused, and nobody logs in by them. "
        "What was accepted already is still delivered.",
        rows=[(alias.name, str(alias)) for alias in chosen],
        url=request.path,
        back_url=back,
        back_label=f"Aliases of {domain}",
    )
    if not confirming.is_confirmed(request, question):
        return confirming.ask(request, question)
    outcome = bulk.each(chosen, lambda alias: services.remove_alias(alias=alias, by=actor))
    bulk.tell(request, "Deleted", outcome, "domain aliases", undo=undo_of_this())
    return redirect(back)


def _aliases(actor: User, domain: Domain) -> QuerySet[DomainAlias]:
    return selectors.domain_aliases_for(actor).filter(domain=domain)


urlpatterns = [
    path("domain/<str:name>/domain-aliases/", domain_aliases, name="domain-aliases"),
    path("domain/<str:name>/domain-aliases/delete/", delete, name="domain-aliases-delete"),
]
