"""Blacklist and whitelist: entries, import and export, the same for both (M-070, M-071)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse

from accounts.models import User
from operations import listing, useractivity
from operations.models import BlacklistEntry, WhitelistEntry
from panel import bulk, formpage, notices
from panel.access import ACTION, FORM, SYSTEM, actor_of, client_address, opens_for
from panel.formpage import FormPage
from panel.forms.abuse import EntryForm, ImportForm
from panel.lists import BulkAction, Column, Listing

PROBLEMS_SHOWN = 50

Entry = BlacklistEntry | WhitelistEntry


@dataclass(frozen=True, slots=True)
class NetworkList:
    """`name` begins the names of its pages."""

    name: str
    title: str
    model: type[BlacklistEntry] | type[WhitelistEntry]
    intro: str

    @property
    def url(self) -> str:
        return reverse(f"panel:{self.name}")

    def rows_for(self, actor: User) -> QuerySet[Any]:
        if self.model is WhitelistEntry:
            return listing.whitelist_for(actor)
        return listing.blacklist_for(actor)


BLACKLIST = NetworkList(
    "blacklist", "Blacklist", BlacklistEntry,
    "Whoever stands here is refused before the first word; open connections are cut.",
)  # fmt: skip
WHITELIST = NetworkList(
    "whitelist", "Whitelist", WhitelistEntry,
    "Whoever stands here is never blocked, neither by a rule nor by the blacklist.",
)  # fmt: skip


class EntryListing(Listing[Any]):
    """The file that it exports is one that can be imported."""

    singular, plural = "entry", "entries"
    sorted_by = "network"
    searched = ("network__startswith", "note__icontains")
    rows_template = "panel/operations/entry_rows.html"
    page_template = "panel/operations/entries.html"
    columns = (
        Column("Network", "network", lambda row: row.network),
        Column("Services", "", lambda row: " ".join(row.services)),
        Column("Note", "", lambda row: row.note),
        Column("Added", "created_at", unit="UTC"),
    )

    def __init__(
        self, request: HttpRequest, of: NetworkList, *, actions: Sequence[BulkAction] = ()
    ) -> None:
        super().__init__(request, of.rows_for(actor_of(request)), actions=actions)
        self.of = of
        self.title = of.title  # type: ignore[misc]  # of this list alone
        self.empty_text = of.intro  # type: ignore[misc]
        self.add_url = reverse(f"panel:{of.name}-new")


@opens_for(SYSTEM)
def overview(request: HttpRequest, of: NetworkList) -> HttpResponseBase:
    url = reverse(f"panel:{of.name}-delete")
    actions = (BulkAction("Delete", "trash-2", url, is_danger=True),)
    entries = EntryListing(request, of, actions=actions)
    for row in entries.rows:
        row.url = reverse(f"panel:{of.name}-entry", args=(row.pk,))
    return entries.response(of=of, delete_url=url, import_url=reverse(f"panel:{of.name}-import"))


@opens_for(SYSTEM, methods=FORM)
def new(request: HttpRequest, of: NetworkList) -> HttpResponse:
    """The fields may come filled in by the address: `?network=&services=`."""
    actor = actor_of(request)
    of.rows_for(actor)
    given = request.GET
    initial = {"network": given.get("network", ""), "services": given.getlist("services")}
    form = _form(request, of, initial, is_new=True)

    def add() -> None:
        data = dict(form.cleaned_data)
        if of is BLACKLIST:
            useractivity.blacklist_network(
                data.pop("network"), by=actor, actor_address=client_address(request), **data
            )
        else:
            listing.add(of.model, by=actor, **data)

    if formpage.save(request, form, add):
        notices.done(request, f"Added {form.cleaned_data['network']} to the {of.name}.")
        return redirect(of.url)
    return FormPage(f"Add to the {of.name}", "Add", of.url, of.title, of.intro).show(request, form)


@opens_for(SYSTEM, methods=FORM)
def edit(request: HttpRequest, of: NetworkList, entry_id: int) -> HttpResponse:
    actor = actor_of(request)
    row = of.rows_for(actor).filter(pk=entry_id).first()
    if row is None:
        raise Http404("there is no such entry")
    initial = {"services": row.services, "note": row.note}
    if of is WHITELIST:
        initial["skips_greylisting"] = row.skips_greylisting
    form = _form(request, of, initial, is_new=False)

    def change() -> None:
        listing.change(row=row, values=form.cleaned_data, by=actor)

    if formpage.save(request, form, change):
        notices.done(request, f"Saved {row.network}.")
        return redirect(of.url)
    return FormPage(row.network, "Save changes", of.url, of.title).show(request, form)


@opens_for(SYSTEM, methods=ACTION)
def delete(request: HttpRequest, of: NetworkList) -> HttpResponse:
    actor = actor_of(request)
    chosen = list(EntryListing(request, of).selected())
    if not chosen:
        notices.warned(request, "Select the entries that you mean first.")
    outcome = bulk.each(chosen, lambda row: listing.remove(row=row, by=actor))
    bulk.tell(request, f"Removed from the {of.name}:", outcome, "entries")
    return redirect(of.url)


@opens_for(SYSTEM, methods=FORM)
def import_file(request: HttpRequest, of: NetworkList) -> HttpResponse:
    """Lines that cannot be taken are told of; the others are."""
    actor = actor_of(request)
    of.rows_for(actor)
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    page = FormPage(f"Import into the {of.name}", "Import", of.url, of.title, is_upload=True)
    done: list[listing.Imported] = []

    def read() -> None:
        done.append(listing.import_csv(of.model, form.text(), by=actor))

    try:
        is_saved = formpage.save(request, form, read)
    except UnicodeDecodeError:
        form.refuse("file", "This is no text file in UTF-8.")
        return page.show(request, form)
    if not is_saved:
        return page.show(request, form)
    imported = done[0]
    text = f"Added {imported.added:,}; {imported.present:,} were on the {of.name} already."
    notices.done(request, text)
    if not imported.problems:
        return redirect(of.url)
    shown = imported.problems[:PROBLEMS_SHOWN]
    more = len(imported.problems) - len(shown)
    return page.show(request, ImportForm(), problems=shown, more_problems=more)


def _form(
    request: HttpRequest, of: NetworkList, initial: dict[str, Any], *, is_new: bool
) -> EntryForm:
    return EntryForm(
        request.POST if request.method == "POST" else None,
        initial=initial,
        is_trusted=of is WHITELIST,
        is_new=is_new,
        help_page=of.name,
    )


urlpatterns = [
    pattern
    for of in (BLACKLIST, WHITELIST)
    for pattern in (
        path(f"{of.name}/", overview, {"of": of}, name=of.name),
        path(f"{of.name}/new/", new, {"of": of}, name=f"{of.name}-new"),
        path(f"{of.name}/import/", import_file, {"of": of}, name=f"{of.name}-import"),
        path(f"{of.name}/delete/", delete, {"of": of}, name=f"{of.name}-delete"),
        path(f"{of.name}/<int:entry_id>/", edit, {"of": of}, name=f"{of.name}-entry"),
    )
]
