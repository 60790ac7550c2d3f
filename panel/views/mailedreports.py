"""Reports that are mailed, once or on a schedule (R-020, M-036)."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts import permissions
from accounts.errors import FeatureOff, UserUnknown
from accounts.models import User
from clock.moments import utc_now
from domains.errors import DomainUnknown
from panel import notices, refusals
from panel.access import ACTION, EVERYBODY, FORM, actor_of, opens_for
from panel.formpage import FormPage
from panel.forms.reports import NewScheduleForm, ScheduleForm
from panel.undoing import undo_of_this
from reports import schedules
from reports.models import Kind, Run

MOST_SHOWN = 300


@opens_for(EVERYBODY)
def overview(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    latest = Run.objects.filter(schedule=OuterRef("pk")).order_by("-pk")
    rows: Any = schedules.schedules_for(actor).annotate(
        last_state=Subquery(latest.values("state")[:1]),
        last_note=Subquery(latest.values("note")[:1]),
        last_due=Subquery(latest.values("due_at")[:1]),
    )
    context = {"rows": rows[:MOST_SHOWN], "may_add": _may_mail(actor)}
    return render(request, "panel/reports/mailed.html", context)


@opens_for(EVERYBODY, methods=FORM)
def new(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    _require_mailing(actor)
    initial = {
        name: request.GET.get(name, "") for name in ("kind", "domain") if name in request.GET
    }
    form = NewScheduleForm(actor, request.POST if request.method == "POST" else None,
                           initial=initial)  # fmt: skip
    if request.method == "POST" and form.is_valid() and _add(form, actor):
        text = "The report will be mailed. It goes out within a minute of its time."
        notices.done(request, text, undo=undo_of_this())
        return redirect("panel:mailed-reports")
    return _page("Mail a report", "Mail it").show(request, form)


@opens_for(EVERYBODY, methods=FORM)
def edit(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    row = schedules.schedule_for(actor, number)
    form = ScheduleForm(actor, request.POST if request.method == "POST" else None, row=row)

    def change() -> None:
        schedules.change(
            schedule=row,
            values=form.values(),
            addresses=form.recipients(actor),
            expected_version=form.cleaned_data["version"] or 0,
            by=actor,
            now=utc_now(),
        )

    if request.method == "POST" and form.is_valid() and form.save(change):
        notices.done(request, f"Saved “{row}”.", undo=undo_of_this())
        return redirect("panel:mailed-reports")
    return _page(str(row), "Save changes").show(request, form)


@opens_for(EVERYBODY, methods=ACTION)
def delete(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    row = schedules.schedule_for(actor, number)
    schedules.delete(schedule=row, by=actor)
    notices.done(request, f"“{row}” is not mailed any more.", undo=undo_of_this())
    return redirect("panel:mailed-reports")


@opens_for(EVERYBODY, methods=ACTION)
def send(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    row = schedules.schedule_for(actor, number)
    schedules.send_now(schedule=row, by=actor, now=utc_now())
    notices.done(request, f"“{row}” goes out within a minute.")
    return redirect("panel:mailed-reports")


def _add(form: NewScheduleForm, actor: User) -> bool:
    """Whether it could be added. What is out of sight is a slip of the pen here."""
    data = form.cleaned_data
    try:
        return form.save(
            lambda: schedules.add(
                kind=Kind(data["kind"]),
                domain=data.get("domain", "").strip(),
                address=data.get("account", "").strip(),
                values=form.values(),
                addresses=form.recipients(actor),
                by=actor,
                now=utc_now(),
            )
        )
    except DomainUnknown as error:
        form.refuse("domain", refusals.words(error))
    except UserUnknown as error:
        form.refuse("account", refusals.words(error))
    return False


def _require_mailing(actor: User) -> None:
    """Raises FeatureOff (D-068)."""
    if actor.domain is not None:
        permissions.require_feature(actor.domain, "email_reports")


def _may_mail(actor: User) -> bool:
    try:
        _require_mailing(actor)
    except FeatureOff:
        return False
    return True


def _page(title: str, save_label: str) -> FormPage:
    return FormPage(title, save_label, reverse("panel:mailed-reports"), "Mailed reports")


urlpatterns = [
    path("reports/mailed/", overview, name="mailed-reports"),
    path("reports/mailed/new/", new, name="mailed-report-new"),
    path("reports/mailed/<int:number>/", edit, name="mailed-report"),
    path("reports/mailed/<int:number>/delete/", delete, name="mailed-report-delete"),
    path("reports/mailed/<int:number>/send/", send, name="mailed-report-send"),
]
