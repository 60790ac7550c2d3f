"""The rules by which the server keeps parties out by itself (M-060…M-065)."""

from __future__ import annotations

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse

from accounts import permissions
from accounts.permissions import Verb
from domains.errors import Refused
from operations import rules
from operations.models import AbuseRule
from panel import bulk, formpage, notices, refusals
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.formpage import FormPage
from panel.forms.abuse import RuleForm
from panel.lists import BulkAction, Column, Listing, Pill
from panel.notices import Undo


class RuleListing(Listing[AbuseRule]):
    title = "Abuse rules"
    singular, plural = "rule", "rules"
    sorted_by = "pk"
    searched = ("description__icontains", "service__startswith", "kind__startswith")
    rows_template = "panel/operations/rule_rows.html"
    page_template = "panel/operations/rules.html"
    empty_text = "Without rules nobody is blocked by the server itself."
    pills = (
        Pill("all", "All", Q()),
        Pill("enabled", "Enabled", Q(is_enabled=True)),
        Pill("disabled", "Disabled", Q(is_enabled=False)),
    )
    columns = (
        Column("Rule", "kind", lambda row: row.get_kind_display()),
        Column("Service", "service", lambda row: row.service or "all"),
        Column("Let pass", "threshold", lambda row: row.threshold, is_number=True),
        Column("Within", "window_seconds", lambda row: row.window_seconds, is_number=True),
        Column("Action", "action", lambda row: row.get_action_display()),
        Column("For", "block_seconds", lambda row: row.block_seconds, is_number=True),
        Column("Enabled", "is_enabled", lambda row: row.is_enabled),
    )


@opens_for(SYSTEM)
def overview(request: HttpRequest) -> HttpResponseBase:
    actions = (
        BulkAction("Enable", "play", reverse("panel:abuse-rules-enable")),
        BulkAction("Disable", "pause", reverse("panel:abuse-rules-disable")),
        BulkAction("Delete", "trash-2", reverse("panel:abuse-rules-delete"), is_danger=True),
    )
    listing = RuleListing(request, rules.rules_for(actor_of(request)), actions=actions)
    listing.add_url = reverse("panel:abuse-rule-new")
    return listing.response(presets=list(rules.PRESETS))


@opens_for(SYSTEM, methods=FORM)
def new(request: HttpRequest) -> HttpResponse:
    permissions.require(actor_of(request), Verb.MANAGE_SERVER)
    return _form(request, None)


@opens_for(SYSTEM, methods=FORM)
def edit(request: HttpRequest, rule_id: int) -> HttpResponse:
    rule = rules.rules_for(actor_of(request)).filter(pk=rule_id).first()
    if rule is None:
        raise Http404("there is no such rule")
    return _form(request, rule)


@opens_for(SYSTEM, methods=ACTION)
def enable(request: HttpRequest) -> HttpResponse:
    return _set_enabled(request, True)


@opens_for(SYSTEM, methods=ACTION)
def disable(request: HttpRequest) -> HttpResponse:
    return _set_enabled(request, False)


@opens_for(SYSTEM, methods=ACTION)
def delete(request: HttpRequest) -> HttpResponse:
    """A rule is quickly made again, and the presets bring the factory's back."""
    actor = actor_of(request)
    chosen = _selected(request)
    outcome = bulk.each(chosen, lambda row: rules.delete(rule=row, by=actor))
    bulk.tell(request, "Deleted the rule", outcome, "rules")
    return redirect("panel:abuse-rules")


@opens_for(SYSTEM, methods=ACTION)
def preset(request: HttpRequest) -> HttpResponse:
    name = request.POST.get("preset", "")
    permissions.require(actor_of(request), Verb.MANAGE_SERVER)
    try:
        rules.apply_preset(name, by=actor_of(request))
    except Refused as error:
        notices.failed(request, refusals.words(error))
    else:
        notices.done(request, f"The rules are set as in the preset “{name}”.")
    return redirect("panel:abuse-rules")


def _form(request: HttpRequest, rule: AbuseRule | None) -> HttpResponse:
    actor = actor_of(request)
    data = request.POST if request.method == "POST" else None
    form = RuleForm(data, initial=RuleForm.initial_of(rule))

    def change() -> None:
        if rule is None:
            rules.add(values=form.values(None), by=actor)
        else:
            rules.change(rule=rule, values=form.values(rule), by=actor)

    if formpage.save(request, form, change):
        notices.done(request, "Saved the rule. It counts from zero." if rule else "Added the rule.")
        return redirect("panel:abuse-rules")
    title = "New rule" if rule is None else str(rule)
    page = FormPage(
        title,
        "Add rule" if rule is None else "Save changes",
        reverse("panel:abuse-rules"),
        "Abuse rules",
        intro="Addresses of this server and of the whitelist are never counted.",
    )
    return page.show(request, form)


def _selected(request: HttpRequest) -> list[AbuseRule]:
    chosen = list(RuleListing(request, rules.rules_for(actor_of(request))).selected())
    if not chosen:
        notices.warned(request, "Select the rules that you mean first.")
    return chosen


def _set_enabled(request: HttpRequest, is_enabled: bool) -> HttpResponse:
    actor = actor_of(request)
    values = {"is_enabled": is_enabled}
    outcome = bulk.each(
        _selected(request), lambda row: rules.change(rule=row, values=values, by=actor)
    )
    opposite = reverse(f"panel:abuse-rules-{'disable' if is_enabled else 'enable'}")
    undo = Undo(opposite, {"selected": [str(row.pk) for row in outcome.done]})
    verb = "Enabled the rule" if is_enabled else "Disabled the rule"
    bulk.tell(request, verb, outcome, "rules", undo=undo)
    return redirect("panel:abuse-rules")


urlpatterns = [
    path("abuse-rules/", overview, name="abuse-rules"),
    path("abuse-rules/new/", new, name="abuse-rule-new"),
    path("abuse-rules/<int:rule_id>/", edit, name="abuse-rule"),
    path("abuse-rules/enable/", enable, name="abuse-rules-enable"),
    path("abuse-rules/disable/", disable, name="abuse-rules-disable"),
    path("abuse-rules/delete/", delete, name="abuse-rules-delete"),
    path("abuse-rules/preset/", preset, name="abuse-rules-preset"),
]
