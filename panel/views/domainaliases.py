"""Further names of a domain: list, add, delete (D-100…D-102)."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse

from accounts import domainaliases, permissions, room, selectors
from accounts.models import User
from accounts.permissions import Verb
from clock.moments import utc_now
from domains import claims, services
from domains.claims import ClaimUnknown
from domains.errors import Refused
from domains.models import ClaimedAlias, Domain, DomainAlias
from panel import bulk, confirming, notices, ofdomain, refusals
from panel.access import ACTION, ADMINISTRATORS, FORM, actor_of, opens_for
from panel.aliaslist import DomainAliasListing
from panel.confirming import Question
from panel.forms.aliases import DomainAliasForm
from panel.lists import BulkAction
from panel.undoing import undo_of_this
from zones import claims as proofs


@opens_for(ADMINISTRATORS, methods=FORM)
def domain_aliases(request: HttpRequest, name: str) -> HttpResponseBase:
    """The list; a POST adds one."""
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_DOMAIN_ALIASES)
    form = DomainAliasForm(request.POST if request.method == "POST" else None)
    added: list[DomainAlias | ClaimedAlias] = []

    def add() -> None:
        wanted = form.cleaned_data["name"]
        added.append(domainaliases.add(domain=domain, name=wanted, by=actor, now=utc_now()))

    if form.is_bound and form.is_valid() and form.save(add):
        text = f"Added {added[0]}. Mail for it arrives as soon as its MX points here."
        if isinstance(added[0], ClaimedAlias):
            text = f"{added[0]} waits for the proof that it is yours: see the record below."
        notices.done(request, text, undo=undo_of_this())
        return redirect("panel:domain-aliases", name)
    delete_url = reverse("panel:domain-aliases-delete", args=(domain.name,))
    actions = (BulkAction("Delete…", "trash-2", delete_url, is_danger=True),)
    listing = DomainAliasListing(request, _aliases(actor, domain), actions=actions)
    listing.full = refusals.full(room.for_domain_alias(domain))
    waiting = selectors.domain_alias_claims_for(actor).filter(domain=domain)
    return listing.response(
        form=form,
        in_use=selectors.domain_aliases_in_use(domain),
        delete_url=delete_url,
        waiting=[(claim, proofs.record_of(claim)) for claim in waiting],
        may_approve=permissions.may(actor, Verb.MANAGE_SERVER),
        **ofdomain.about(request, domain),
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


@opens_for(ADMINISTRATORS, methods=ACTION)
def claim(request: HttpRequest, name: str) -> HttpResponse:
    """A name that waits for its proof: look for it now, give it up, or approve it."""
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_DOMAIN_ALIASES)
    text = request.POST.get("claim", "")
    key = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    row = domainaliases.claim_for(actor, key)
    if row.domain_id != domain.pk:
        raise ClaimUnknown(key)
    try:
        _settle(request, row, actor)
    except Refused as error:
        if isinstance(error, refusals.OUT_OF_SIGHT + refusals.FORBIDDEN):
            raise
        notices.warned(request, refusals.words(error))
    return redirect("panel:domain-aliases", domain.name)


def _settle(request: HttpRequest, row: ClaimedAlias, actor: User) -> None:
    verb = request.POST.get("verb")
    if verb == "withdraw":
        claims.withdraw(claim=row, by=actor)
        notices.done(request, f"{row} is given up.")
        return
    if verb == "approve":
        alias: DomainAlias | None = domainaliases.approve(claim=row, by=actor)
    else:
        alias = proofs.check(row, by=actor, now=utc_now())
    if alias is not None:
        text = f"{alias} is a name of {alias.domain} now."
        notices.done(request, text, undo=undo_of_this())
    else:
        row.refresh_from_db()
        notices.warned(request, f"{row} is not proven yet. {row.finding}")


def _aliases(actor: User, domain: Domain) -> QuerySet[DomainAlias]:
    return selectors.domain_aliases_for(actor).filter(domain=domain)


urlpatterns = [
    path("domain/<str:name>/domain-aliases/claim/", claim, name="domain-aliases-claim"),
    path("domain/<str:name>/domain-aliases/", domain_aliases, name="domain-aliases"),
    path("domain/<str:name>/domain-aliases/delete/", delete, name="domain-aliases-delete"),
]
