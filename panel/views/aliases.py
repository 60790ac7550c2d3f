"""The user aliases of a domain and its catch-all: list, add, edit, delete (U-030, U-031, U-034)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts import aliases, permissions, room, selectors
from accounts.models import UserAlias
from accounts.permissions import Verb
from domains import switches
from domains.models import Domain
from panel import bulk, confirming, notices, ofdomain, refusals
from panel.access import ACTION, ADMINISTRATORS, FORM, actor_of, opens_for
from panel.aliaslist import AliasListing, aliases_of, targets_of
from panel.confirming import Question
from panel.forms.aliases import AliasForm, CatchAllForm
from panel.lists import BulkAction
from panel.undoing import undo_of_this

MOST_DELETED_AT_ONCE = 1_000


@opens_for(ADMINISTRATORS)
def alias_list(request: HttpRequest, name: str) -> HttpResponseBase:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_ALIASES)
    urls = _urls(domain)
    actions = (BulkAction("Delete…", "trash-2", urls["delete"], is_danger=True),)
    listing = AliasListing(request, aliases_of(actor, domain), actions=actions)
    listing.add_url = urls["new"]
    listing.full = refusals.full(room.for_alias(domain))
    if request.GET.get("format") != "csv":
        for row in listing.rows:
            shown: Any = row
            shown.url = reverse("panel:alias", args=(domain.name, row.local_part))
            shown.leads_to = targets_of(row)
    caught = selectors.catch_all_for(actor, domain)
    may_catch = permissions.may(actor, Verb.CHANGE_CATCH_ALL, domain)
    return listing.response(
        urls=urls,
        may_catch=may_catch,
        catch_all=aliases.target_names(caught) if caught else [],
        catches_reports=caught is not None and caught.takes_reports,
        **ofdomain.about(request, domain),
    )


@opens_for(ADMINISTRATORS, methods=FORM)
def new(request: HttpRequest, name: str) -> HttpResponse:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_ALIASES)
    form = AliasForm(domain, None, request.POST if request.method == "POST" else None)

    def add() -> None:
        data = form.cleaned_data
        aliases.add_alias(
            domain=domain, name=_local_part(data["name"], domain), targets=data["targets"],
            values=form.values(), by=actor,
        )  # fmt: skip

    if form.is_bound and form.is_valid() and form.save(add):
        text = f"Added {_local_part(form.cleaned_data['name'], domain).lower()}@{domain}."
        notices.done(request, text, undo=undo_of_this())
        return redirect("panel:aliases", name)
    full = "" if form.is_bound else refusals.full(room.for_alias(domain))
    context = {"form": form, "full": full, **ofdomain.about(request, domain)}
    return render(request, "panel/aliases/new.html", context)


@opens_for(ADMINISTRATORS, methods=FORM)
def edit(request: HttpRequest, name: str, local_part: str) -> HttpResponse:
    actor = actor_of(request)
    alias = selectors.alias_for(actor, f"{local_part}@{name}", verb=Verb.CHANGE_ALIASES)
    form = AliasForm(alias.domain, alias, request.POST if request.method == "POST" else None)

    def change() -> None:
        targets = form.cleaned_data["targets"]
        aliases.change_alias(alias=alias, targets=targets, values=form.values(), by=actor)

    if form.is_bound and form.is_valid() and form.save(change):
        notices.done(request, f"Saved {alias}.", undo=undo_of_this())
        return redirect("panel:aliases", name)
    context = {"form": form, "alias": alias, **ofdomain.about(request, alias.domain)}
    return render(request, "panel/aliases/edit.html", context)


@opens_for(ADMINISTRATORS, methods=ACTION)
def delete(request: HttpRequest, name: str) -> HttpResponse:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_ALIASES)
    urls = _urls(domain)
    listing = AliasListing(request, aliases_of(actor, domain))
    chosen: list[UserAlias] = list(listing.selected()[: MOST_DELETED_AT_ONCE + 1])
    if not chosen or len(chosen) > MOST_DELETED_AT_ONCE:
        notices.warned(request, f"Select one to {MOST_DELETED_AT_ONCE:,} aliases to delete.")
        return redirect(urls["list"])
    question = Question(
        heading="Delete alias" if len(chosen) == 1 else f"Delete {len(chosen):,} aliases",
        warning="New mail for these addresses is refused. Mailboxes and mail stay.",
        rows=[(alias.local_part, str(alias)) for alias in chosen],
        url=urls["delete"],
        back_url=urls["list"],
        back_label=f"Aliases of {domain}",
    )
    if not confirming.is_confirmed(request, question):
        return confirming.ask(request, question)

    def remove(alias: UserAlias) -> None:
        # One that led only to another one of these went with it.
        if UserAlias.objects.filter(pk=alias.pk).exists():
            aliases.delete_alias(alias=alias, by=actor)

    outcome = bulk.each(chosen, remove)
    bulk.tell(request, "Deleted", outcome, "aliases", undo=undo_of_this())
    return redirect(urls["list"])


@opens_for(ADMINISTRATORS, methods=FORM)
def catch_all(request: HttpRequest, name: str) -> HttpResponse:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_CATCH_ALL)
    caught = selectors.catch_all_for(actor, domain)
    initial: dict[str, Any] = {}
    if caught is not None:
        targets = "\n".join(aliases.target_names(caught))
        initial = {"targets": targets, "takes_reports": caught.takes_reports}
    form = CatchAllForm(request.POST if request.method == "POST" else None, initial=initial)

    def change() -> None:
        values = dict(form.cleaned_data)
        wanted = values.pop("targets")
        aliases.set_catch_all(domain=domain, targets=wanted, values=values, by=actor)

    if form.is_bound and form.is_valid() and form.save(change):
        is_caught = bool(form.cleaned_data["targets"])
        notices.done(
            request,
            "Mail for unknown addresses is caught now."
            if is_caught
            else "Mail for unknown addresses is refused now.",
            undo=undo_of_this(),
        )
        return redirect("panel:aliases", name)
    context = {"form": form, "is_off": not switches.is_on(domain.pk, "catch_alls")}
    return render(
        request, "panel/aliases/catch_all.html", {**context, **ofdomain.about(request, domain)}
    )


def _local_part(text: str, domain: Domain) -> str:
    """A whole address of the domain is as good as its beginning."""
    return text.strip().removesuffix(f"@{domain.name}").removesuffix(f"@{domain.unicode_name}")


def _urls(domain: Domain) -> dict[str, str]:
    urls = {
        name: reverse(f"panel:aliases-{name}", args=(domain.name,)) for name in ("new", "delete")
    }
    return {
        **urls,
        "list": reverse("panel:aliases", args=(domain.name,)),
        "catch_all": reverse("panel:catch-all", args=(domain.name,)),
    }


urlpatterns = [
    path("domain/<str:name>/aliases/", alias_list, name="aliases"),
    path("domain/<str:name>/aliases/new/", new, name="aliases-new"),
    path("domain/<str:name>/aliases/delete/", delete, name="aliases-delete"),
    path("domain/<str:name>/alias/<str:local_part>/", edit, name="alias"),
    path("domain/<str:name>/catch-all/", catch_all, name="catch-all"),
]
