"""What new domains begin with, and setting it on domains that exist (D-027)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from accounts import permissions, propagation, selectors
from accounts.models import User
from accounts.permissions import Verb
from accounts.tasks import propagate_defaults
from domains import defaults
from domains.models import Domain
from jobs import services as jobs
from panel import notices
from panel.access import FORM, SYSTEM, actor_of, opens_for
from panel.forms import domaindefaults as forms
from panel.forms.base import version_in
from panel.forms.domaindefaults import PropagateForm
from panel.undoing import undo_of_this

# Each one is tried out for the preview, which takes some milliseconds.
SHOWN_AT_ONCE = 25


@opens_for(SYSTEM, methods=FORM)
def edit(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    permissions.require(actor, Verb.MANAGE_SERVER)
    is_post = request.method == "POST"
    version = version_in(request.POST) if is_post else defaults.load().version
    tabbed = forms.for_defaults(request.POST if is_post else None, version=version)
    if is_post and tabbed.is_valid():
        values = tabbed.changed()
        if tabbed.save(lambda: defaults.change(values=values, by=actor, expected_version=version)):
            text = "Saved. New domains begin with these values; those that exist stay as they are."
            notices.done(request, text if values else "Nothing was changed.", undo=undo_of_this())
            return redirect("panel:domain-defaults")
    return render(request, "panel/domaindefaults/edit.html", {"tabbed": tabbed})


@opens_for(SYSTEM, methods=FORM)
def propagate(request: HttpRequest) -> HttpResponse:
    """Choose, look at what would change in each domain, then have it done as a job."""
    actor = actor_of(request)
    permissions.require(actor, Verb.MANAGE_SERVER)
    rows = selectors.domains_for(actor)
    form = PropagateForm(rows, request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid() or request.POST.get("go") == "back":
        return render(request, "panel/domaindefaults/choose.html", {"form": form})
    values = propagation.chosen(form.cleaned_data["fields_chosen"])
    chosen: list[Domain] | None = form.cleaned_data["names"]
    keys = None if chosen is None else [domain.pk for domain in chosen]
    version = defaults.load().version
    if request.POST.get("go") == "run":
        if version_in(request.POST) == version:
            return _start(request, actor, values, keys, form.cleaned_data["reason"])
        notices.warned(request, "The defaults were changed meanwhile: look at it once more.")
    chosen_rows = rows if keys is None else rows.filter(pk__in=keys)
    differing = propagation.with_other_values(chosen_rows, values).order_by("name")
    count = differing.count()
    pages = max(1, -(-count // SHOWN_AT_ONCE))
    page = min(max(1, _number(request.POST.get("page", ""))), pages)
    shown = differing[(page - 1) * SHOWN_AT_ONCE : page * SHOWN_AT_ONCE]
    found = propagation.preview(shown, values, by=actor)
    context: dict[str, Any] = {
        "form": form,
        "rows": [(one, list(_changes(one.changes))) for one in found],
        "refused": sum(bool(one.obstacle) for one in found),
        "count": count,
        "same": chosen_rows.count() - count,
        "page": page,
        "pages": pages,
        "version": version,
    }
    return render(request, "panel/domaindefaults/preview.html", context)


def _start(
    request: HttpRequest,
    actor: User,
    values: dict[str, dict[str, Any]],
    keys: list[int] | None,
    reason: str,
) -> HttpResponse:
    rows = Domain.objects.all() if keys is None else Domain.objects.filter(pk__in=keys)
    job = jobs.start(
        propagate_defaults, by=actor, total=propagation.with_other_values(rows, values).count(),
        values=values, domains=keys, reason=reason,
    )  # fmt: skip
    notices.done(request, "The defaults are being set. You may leave this page.")
    return redirect("panel:job", job.pk)


def _changes(changes: dict[str, tuple[Any, Any]]) -> Iterator[tuple[str, str, str]]:
    """Label, old and new in words."""
    for name, (old, new) in changes.items():
        part, _, field = name.partition(".")
        words = f"{forms.part_label(part)}: {forms.label_of(field)}"
        yield words, forms.in_words(field, old), forms.in_words(field, new)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


urlpatterns = [
    path("domain-defaults/", edit, name="domain-defaults"),
    path("domain-defaults/existing/", propagate, name="domain-defaults-existing"),
]
