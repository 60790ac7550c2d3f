"""The subscribers of a mailing list: added, removed, suspended, imported, exported (L-012)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.http import content_disposition_header

from domains.errors import ValuesRefused
from mailinglists import exporting, invitations, membership, subscribercsv
from mailinglists.errors import FileRefused, SubscriberUnknown
from mailinglists.membership import Added, NewSubscriber
from mailinglists.models import Bounce, MailingList, Subscriber
from panel import bulk, confirming, listpages, notices, refusals
from panel.access import ACTION, ADMINISTRATORS, EVERYBODY, FORM, actor_of, opens_for
from panel.confirming import Question
from panel.forms.mailinglists import AddSubscribersForm, SubscriberForm, UploadSubscribersForm
from panel.lists import BulkAction
from panel.subscriberlist import SubscriberListing
from panel.undoing import undo_of_this

# A page waits while so many are changed; who means more filters, or takes a file.
MOST_AT_ONCE = 10_000
MOST_NAMED = 20
MOST_BOUNCES = 10


@opens_for(EVERYBODY)
def subscribers(request: HttpRequest, name: str, local_part: str) -> HttpResponseBase:
    row = listpages.found(request, name, local_part)
    urls = _urls(row)
    actions = (
        BulkAction("Suspend", "pause", urls["suspend"]),
        BulkAction("Resume", "play", urls["resume"]),
        BulkAction("Remove…", "trash-2", urls["remove"], is_danger=True),
    )
    listing = SubscriberListing(request, row, actions)
    listing.add_url = urls["add"]
    for one in listing.rows:
        vars(one)["url"] = listpages.url(row, "list-subscriber", one.pk)
    return listing.response(urls=urls, **listpages.about(request, row))


@opens_for(EVERYBODY, methods=FORM)
def add(request: HttpRequest, name: str, local_part: str) -> HttpResponse:
    actor = actor_of(request)
    row = listpages.found(request, name, local_part)
    form = AddSubscribersForm(request.POST if request.method == "POST" else None)
    urls, added = _urls(row), Added()

    def run() -> None:
        given = form.cleaned_data
        lines = given["addresses"].splitlines()
        news = [one for line in lines if (one := subscriber_of(line, given["mode"]))]
        for total in invitations.import_subscribers(
            mailing_list=row, rows=news, is_confirmed=given["confirmed"], by=actor
        ):
            added.join(total)

    if request.method == "POST" and form.is_valid() and form.save(run):
        undo = undo_of_this() if actor.role in ADMINISTRATORS else None
        _tell(request, added, is_confirmed=form.cleaned_data["confirmed"], undo=undo)
        if not added.malformed:
            return redirect(urls["list"])
    context = {"form": form, "urls": urls, **_problems(added), **listpages.about(request, row)}
    return render(request, "panel/mailinglists/add.html", context)


@opens_for(EVERYBODY, methods=FORM)
def upload(request: HttpRequest, name: str, local_part: str) -> HttpResponse:
    actor = actor_of(request)
    row = listpages.found(request, name, local_part)
    form = UploadSubscribersForm(request.POST or None, request.FILES or None)
    urls, added = _urls(row), Added()
    if request.method == "POST" and form.is_valid():
        is_confirmed = form.cleaned_data["confirmed"]
        file: Any = form.cleaned_data["file"]
        content = file.read(subscribercsv.LARGEST_FILE_BYTES + 1)
        is_read = True
        try:
            for total in invitations.import_subscribers(
                mailing_list=row, rows=subscribercsv.read(content),
                is_confirmed=is_confirmed, by=actor,
            ):  # fmt: skip
                added.join(total)
        except (FileRefused, ValuesRefused) as error:
            for _, sentence in refusals.problems(error):
                form.refuse("file", sentence)
            is_read = False
        _tell(request, added, is_confirmed=is_confirmed)
        if is_read and not added.malformed:
            return redirect(urls["list"])
    context = {"form": form, "urls": urls, **_problems(added), **listpages.about(request, row)}
    return render(request, "panel/mailinglists/import.html", context)


@opens_for(EVERYBODY)
def export(request: HttpRequest, name: str, local_part: str) -> HttpResponseBase:
    """The whole list, a row at a time."""
    row = listpages.found(request, name, local_part)
    file_name = f"{row.address}-subscribers.csv"
    return StreamingHttpResponse(
        exporting.export(mailing_list=row, by=actor_of(request)),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": content_disposition_header(True, file_name) or "attachment",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


@opens_for(EVERYBODY, methods=ACTION)
def remove(request: HttpRequest, name: str, local_part: str) -> HttpResponse:
    actor = actor_of(request)
    row = listpages.found(request, name, local_part)
    urls = _urls(row)
    listing = SubscriberListing(request, row)
    chosen = _chosen(request, listing)
    if not chosen:
        return redirect(urls["list"])
    count = len(chosen)
    question = Question(
        heading="Remove subscriber" if count == 1 else f"Remove {count:,} subscribers",
        warning="They get nothing more, and are not told.",
        rows=[(str(one.pk), one.address) for one in chosen[:MOST_NAMED]],
        url=urls["remove"] + (f"?{listing.state}" if listing.state else ""),
        back_url=urls["list"],
        back_label=f"Subscribers of {row}",
        wanted="" if count <= MOST_NAMED else f"remove {count}",
    )
    if not confirming.is_confirmed(request, question):
        if count > MOST_NAMED:
            question.warning += f" The first {MOST_NAMED} of {count:,} are:"
        return _ask(request, question, chosen)
    addresses = [one.address for one in chosen]
    removed = sum(
        membership.remove_subscribers(mailing_list=row, addresses=batch, by=actor)
        for batch in membership.batches(addresses, membership.BATCH)
    )
    notices.done(request, f"Removed {removed:,} subscriber{'s' * (removed != 1)}.")
    return redirect(urls["list"])


@opens_for(EVERYBODY, methods=ACTION)
def suspend(request: HttpRequest, name: str, local_part: str) -> HttpResponse:
    actor = actor_of(request)
    return _each(
        request, name, local_part, "Suspended",
        lambda one: membership.suspend(subscriber=one, by=actor),
    )  # fmt: skip


@opens_for(EVERYBODY, methods=ACTION)
def resume(request: HttpRequest, name: str, local_part: str) -> HttpResponse:
    actor = actor_of(request)
    return _each(
        request, name, local_part, "Resumed",
        lambda one: membership.resume(subscriber=one, by=actor),
    )  # fmt: skip


@opens_for(EVERYBODY, methods=FORM)
def edit(request: HttpRequest, name: str, local_part: str, number: int) -> HttpResponse:
    actor = actor_of(request)
    row = listpages.found(request, name, local_part)
    found = Subscriber.objects.filter(mailing_list=row, pk=number).first()
    if found is None:
        raise SubscriberUnknown(f"number {number}")
    is_post = request.method == "POST"
    initial = {"name": found.name, "mode": found.mode}
    form = SubscriberForm(request.POST if is_post else None, initial=initial)

    def change() -> None:
        membership.change_subscriber(subscriber=found, by=actor, **form.cleaned_data)

    urls = _urls(row)
    if is_post and form.is_valid() and form.save(change):
        notices.done(request, f"Saved {found}.")
        return redirect(urls["list"])
    bounces = Bounce.objects.filter(subscriber=found).order_by("-id")[:MOST_BOUNCES]
    context = {"form": form, "subscriber": found, "bounces": bounces, "urls": urls}
    return render(
        request, "panel/mailinglists/subscriber.html", context | listpages.about(request, row)
    )


def _each(
    request: HttpRequest, name: str, local_part: str, verb: str, change: Callable[[Any], object]
) -> HttpResponse:
    row = listpages.found(request, name, local_part)
    chosen = _chosen(request, SubscriberListing(request, row))
    bulk.tell(request, verb, bulk.each(chosen, change), "subscribers")
    return redirect(_urls(row)["list"])


def _chosen(request: HttpRequest, listing: SubscriberListing) -> list[Subscriber]:
    """Empty: none, or too many, and the reader has been told."""
    given = request.POST
    if "only" in given or not given.get("all_matching"):
        keys = [given["only"]] if "only" in given else given.getlist("selected")
        numbers = [int(key) for key in keys if key.isascii() and key.isdigit() and len(key) < 20]
        rows = listing.everybody.filter(pk__in=numbers)
    else:
        rows = listing.matching
    chosen = list(rows[: MOST_AT_ONCE + 1])
    if chosen and len(chosen) <= MOST_AT_ONCE:
        return chosen
    notices.warned(request, f"Select one to {MOST_AT_ONCE:,} subscribers.")
    return []


def _ask(request: HttpRequest, question: Question, chosen: list[Subscriber]) -> HttpResponse:
    """With all that were chosen, also those whose names are not shown."""
    context = {"question": question, "more": [one.pk for one in chosen[MOST_NAMED:]]}
    return render(request, "panel/confirm.html", context)


def subscriber_of(line: str, mode: str) -> NewSubscriber | None:
    """As people write it: an address, or a name and the address in angle brackets."""
    text = line.strip()
    before, bracket, rest = text.rpartition("<")
    if bracket and rest.endswith(">"):
        return NewSubscriber(rest[:-1], before.strip().strip('"'), mode)
    return NewSubscriber(text, "", mode) if text else None


def _tell(request: HttpRequest, added: Added, *, is_confirmed: bool, undo: Any = None) -> None:
    if added.added:
        count = f"{added.added:,} subscriber{'s' * (added.added != 1)}"
        text = f"Added {count}."
        if not is_confirmed:
            text = f"Wrote to {count}: each is on the list when he confirms it."
        notices.done(request, text, undo=undo if is_confirmed else None)
    if added.known:
        are = "was" if added.known == 1 else "were"
        notices.done(request, f"{added.known:,} {are} on the list already.")
    if added.malformed:
        are = "line was" if len(added.malformed) == 1 else "lines were"
        notices.warned(request, f"{len(added.malformed):,} {are} not taken.")


def _problems(added: Added) -> dict[str, Any]:
    return {
        "problems": added.malformed[:MOST_NAMED],
        "more_problems": max(0, len(added.malformed) - MOST_NAMED),
    }


def _urls(row: MailingList) -> dict[str, str]:
    verbs = ("add", "import", "export", "remove", "suspend", "resume")
    found = {verb: listpages.url(row, f"list-subscribers-{verb}") for verb in verbs}
    return found | {"list": listpages.url(row, "list-subscribers")}


_OF_LIST = "domain/<str:name>/list/<str:local_part>/subscribers/"
urlpatterns = [
    path(_OF_LIST, subscribers, name="list-subscribers"),
    path(f"{_OF_LIST}add/", add, name="list-subscribers-add"),
    path(f"{_OF_LIST}import/", upload, name="list-subscribers-import"),
    path(f"{_OF_LIST}export/", export, name="list-subscribers-export"),
    path(f"{_OF_LIST}remove/", remove, name="list-subscribers-remove"),
    path(f"{_OF_LIST}suspend/", suspend, name="list-subscribers-suspend"),
    path(f"{_OF_LIST}resume/", resume, name="list-subscribers-resume"),
    path(f"{_OF_LIST}<int:number>/", edit, name="list-subscriber"),
]
