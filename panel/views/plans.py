"""The plans that resellers are on (X-011)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts import plans, resellers
from panel import bulk, confirming, notices
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.confirming import Question
from panel.forms.resellers import plan_tabs, plan_values
from panel.lists import BulkAction
from panel.resellerlist import PlanListing
from panel.undoing import undo_of_this


@opens_for(SYSTEM)
def plan_list(request: HttpRequest) -> HttpResponseBase:
    delete_url = reverse("panel:plans-delete")
    actions = (BulkAction("Delete…", "trash-2", delete_url, is_danger=True),)
    listing = PlanListing(request, resellers.plans_for(actor_of(request)), actions=actions)
    listing.add_url = reverse("panel:plans-new")
    return listing.response()


@opens_for(SYSTEM, methods=FORM)
def new(request: HttpRequest) -> HttpResponse:
    tabbed = plan_tabs(None, request.POST if request.method == "POST" else None)

    def add() -> None:
        values = plan_values(tabbed)
        plans.add(name=values.pop("name"), values=values, by=actor_of(request))

    if request.method == "POST" and tabbed.is_valid() and tabbed.save(add):
        notices.done(request, "Added the plan.", undo=undo_of_this())
        return redirect("panel:plans")
    return render(request, "panel/resellers/plan.html", {"tabbed": tabbed})


@opens_for(SYSTEM, methods=FORM)
def edit(request: HttpRequest, plan_id: int) -> HttpResponse:
    actor = actor_of(request)
    plan = resellers.plan_for(actor, plan_id)
    tabbed = plan_tabs(plan, request.POST if request.method == "POST" else None)

    def change() -> None:
        plans.change(plan=plan, values=plan_values(tabbed), by=actor)

    if request.method == "POST" and tabbed.is_valid() and tabbed.save(change):
        notices.done(request, "Saved the plan.", undo=undo_of_this())
        return redirect("panel:plans")
    return render(request, "panel/resellers/plan.html", {"tabbed": tabbed, "plan": plan})


@opens_for(SYSTEM, methods=ACTION)
def delete(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    back = reverse("panel:plans")
    rows = resellers.plans_for(actor)
    pks = [text for text in request.POST.getlist("selected") if text.isascii() and text.isdigit()]
    chosen = list(rows.filter(pk__in=pks))
    if not chosen:
        notices.warned(request, "Select the plans to delete.")
        return redirect(back)
    question = Question(
        heading="Delete plan" if len(chosen) == 1 else f"Delete {len(chosen)} plans",
        warning="A plan on which a reseller is cannot be deleted.",
        rows=[(str(plan.pk), plan.name) for plan in chosen],
        url=request.path,
        back_url=back,
        back_label="Plans",
    )
    if not confirming.is_confirmed(request, question):
        return confirming.ask(request, question)
    outcome = bulk.each(chosen, lambda plan: plans.delete(plan=plan, by=actor))
    bulk.tell(request, "Deleted", outcome, "plans", undo=undo_of_this())
    return redirect(back)


urlpatterns = [
    path("plans/", plan_list, name="plans"),
    path("plans/new/", new, name="plans-new"),
    path("plans/delete/", delete, name="plans-delete"),
    path("plan/<int:plan_id>/", edit, name="plan"),
]
