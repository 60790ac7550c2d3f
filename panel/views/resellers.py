"""Resellers: who they are, the plan of each, and which domains are theirs (U-004, X-011)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.debug import sensitive_post_parameters

from accounts import caps, editing, provisioning, resellers, selectors, services
from accounts.models import User
from accounts.permissions import Verb
from panel import bulk, confirming, notices, ofdomain
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.confirming import Question
from panel.forms.base import version_in
from panel.forms.resellers import OwnerForm, ResellerForm
from panel.lists import BulkAction
from panel.resellerlist import ResellerListing, plan_name
from panel.undoing import undo_of_this

MOST_DOMAINS_SHOWN = 200


@opens_for(SYSTEM)
def reseller_list(request: HttpRequest) -> HttpResponseBase:
    delete_url = reverse("panel:resellers-delete")
    actions = (BulkAction("Delete…", "trash-2", delete_url, is_danger=True),)
    rows = resellers.resellers_for(actor_of(request))
    listing = ResellerListing(request, rows, actions=actions)
    listing.add_url = reverse("panel:resellers-new")
    return listing.response()


@opens_for(SYSTEM, methods=FORM)
@sensitive_post_parameters()
def new(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    form = ResellerForm(None, _plans(actor), request.POST if request.method == "POST" else None)

    def add() -> None:
        data = form.cleaned_data
        editing.add_reseller(
            username=data["username"],
            values={"full_name": data["full_name"]},
            verifiers=services.new_verifiers(data["password"], data["username"]),
            plan_name=data["plan"],
            by=actor,
        )

    if form.is_bound and form.is_valid() and form.save(add):
        notices.done(request, f"Added the reseller {form.cleaned_data['username'].lower()}.")
        return redirect("panel:resellers")
    return render(request, "panel/resellers/new.html", {"form": form})


@opens_for(SYSTEM, methods=FORM)
@sensitive_post_parameters()
def edit(request: HttpRequest, username: str) -> HttpResponse:
    actor = actor_of(request)
    user = resellers.reseller_for(actor, username)
    is_post = request.method == "POST"
    data = request.POST if is_post else None
    form = ResellerForm(user, _plans(actor), data, plan_name=plan_name(user))
    version = version_in(request.POST) if is_post else user.version

    def save() -> None:
        password = form.cleaned_data["password"]
        editing.edit_reseller(
            user=user,
            values=form.values(),
            verifiers=services.new_verifiers(password, user.local_part) if password else None,
            plan_name=form.cleaned_data["plan"],
            expected_version=version,
            by=actor,
        )

    if is_post and form.is_valid() and form.save(save):
        notices.done(request, f"Saved {user}.", undo=undo_of_this())
        return redirect("panel:reseller", username)
    domains = selectors.domains_for(actor).filter(ownership__reseller=user).order_by("name")
    context = {
        "form": form,
        "reseller": user,
        "version": version,
        "domains": domains[:MOST_DOMAINS_SHOWN],
    }
    return render(request, "panel/resellers/edit.html", context)


@opens_for(SYSTEM, methods=ACTION)
def delete(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    back = reverse("panel:resellers")
    chosen = list(ResellerListing(request, resellers.resellers_for(actor)).selected())
    if not chosen:
        notices.warned(request, "Select the resellers to delete.")
        return redirect(back)
    one = len(chosen) == 1
    question = Question(
        heading="Delete reseller" if one else f"Delete {len(chosen)} resellers",
        warning="They can no longer log in. Who still has domains cannot be deleted.",
        rows=[(user.local_part, str(user)) for user in chosen],
        url=request.path,
        back_url=back,
        back_label="Resellers",
    )
    if not confirming.is_confirmed(request, question):
        return confirming.ask(request, question)
    outcome = bulk.each(chosen, lambda user: services.delete_user(user=user, by=actor))
    bulk.tell(request, "Deleted", outcome, "resellers", undo=undo_of_this())
    return redirect(back)


@opens_for(SYSTEM, methods=FORM)
def owner(request: HttpRequest, name: str) -> HttpResponse:
    """Whom a domain belongs to: a reseller, or the provider itself."""
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.MANAGE_SERVER)
    current = caps.reseller_of(domain)
    people = list(resellers.resellers_for(actor).order_by("local_part"))
    data = request.POST if request.method == "POST" else None
    form = OwnerForm(people, data, current=current.local_part if current else "")

    def give() -> None:
        wanted = form.cleaned_data["reseller"]
        reseller = next((one for one in people if one.local_part == wanted), None)
        provisioning.hand_over(domain=domain, reseller=reseller, by=actor)

    if form.is_bound and form.is_valid() and form.save(give):
        to = form.cleaned_data["reseller"] or "the provider"
        notices.done(request, f"{domain} belongs to {to} now.", undo=undo_of_this())
        return redirect("panel:domain", name)
    context = {"form": form, **ofdomain.about(request, domain)}
    return render(request, "panel/domains/owner.html", context)


def _plans(actor: User) -> list[str]:
    return list(resellers.plans_for(actor).order_by("name").values_list("name", flat=True))


urlpatterns = [
    path("resellers/", reseller_list, name="resellers"),
    path("resellers/new/", new, name="resellers-new"),
    path("resellers/delete/", delete, name="resellers-delete"),
    path("reseller/<str:username>/", edit, name="reseller"),
    path("domain/<str:name>/owner/", owner, name="domain-owner"),
]
