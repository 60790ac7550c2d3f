"""The settings of the whole server, with their history (X-033)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings as conf
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from accounts import permissions
from accounts.permissions import Verb
from administration import limits
from domains import singlerow
from events.models import AuditEntry
from panel import notices
from panel.access import FORM, SYSTEM, actor_of, opens_for
from panel.forms import settings as forms
from panel.forms.words import label
from units import sizes

# The latest changes that the page shows; the audit trail has all.
HISTORY = 25


@dataclass(frozen=True, slots=True)
class Fact:
    """What is settled by the environment when the server starts."""

    name: str
    value: str
    variable: str


@dataclass(frozen=True, slots=True)
class Change:
    at: datetime
    actor: str
    client_address: str
    where: str
    fields: list[tuple[str, str, str]]  # label, old and new in words


@opens_for(SYSTEM, methods=FORM)
def settings(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    permissions.require(actor, Verb.MANAGE_SERVER)
    is_post = request.method == "POST"
    version = _version(request) if is_post else singlerow.version()
    tabbed = forms.for_settings(request.POST if is_post else None, version=version)
    if is_post and tabbed.is_valid():
        changed = tabbed.changed()
        if tabbed.save(lambda: singlerow.change_all(changed, by=actor, expected_version=version)):
            count = sum(map(len, changed.values()))
            words = "1 setting" if count == 1 else f"{count} settings"
            text = f"Saved {words}. The change acts everywhere within seconds."
            notices.done(request, text if count else "Nothing was changed.")
            return redirect("panel:settings")
    tabbed.tab("caps").intro += f" {_hosted()}"
    context = {"tabbed": tabbed, "facts": list(_facts()), "history": list(_history())}
    return render(request, "panel/settings.html", context)


def _hosted() -> str:
    """What there is of all that has a cap."""
    found = {one.limit: one.used or 0 for one in limits.of_server()}
    space = sizes.in_words(found["disk_space"])
    return f"In use: domains {found['domains']:,}, users {found['users']:,}, disk space {space}."


def _version(request: HttpRequest) -> int:
    """What the page was opened with; nonsense never fits."""
    text = request.POST.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def _facts() -> Iterator[Fact]:
    yield Fact("Host name", conf.MAILHOST_HOSTNAME, "MAILHOST_HOSTNAME")
    yield Fact("Data folder", str(conf.MAILHOST_DATA), "MAILHOST_DATA")
    roots = ", ".join(map(str, conf.MAILHOST_DOMAIN_ROOTS)) or "below the data folder only"
    yield Fact("Folders for domains", roots, "MAILHOST_DOMAIN_ROOTS")
    yield Fact("Certificates", str(conf.MAILHOST_CERTIFICATES), "MAILHOST_DATA")
    yield Fact("Database", connection.vendor, "MAILHOST_DATABASE_URL")
    yield Fact("Default address", conf.MAILHOST_BIND, "MAILHOST_BIND")
    yield Fact("Added to each port", str(conf.MAILHOST_PORT_OFFSET), "MAILHOST_PORT_OFFSET")
    yield Fact("Background jobs", conf.MAILHOST_JOBS, "MAILHOST_JOBS")


def _history() -> Iterator[Change]:
    names = {row.model._meta.label_lower: name for name, row in singlerow.ALL.items()}
    for entry in singlerow.history()[:HISTORY]:
        name = names[entry.object_type]
        yield Change(
            at=entry.at,
            actor=entry.actor,
            client_address=entry.client_address,
            where=forms.TABS.get(name, label(name)),
            fields=list(_changes(entry, name)),
        )


def _changes(entry: AuditEntry, name: str) -> Iterator[tuple[str, str, str]]:
    known = forms.form_of(name).base_fields
    for field, (old, new) in entry.changes.items():
        found = known.get(field)
        yield (str(found.label) if found else label(field), _words(old), _words(new))


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "empty" if value in ("", None) else str(value)


urlpatterns = [path("settings/", settings, name="settings")]
