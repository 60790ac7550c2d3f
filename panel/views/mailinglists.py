"""The mailing lists of a domain: list, add, settings, delete; and those of a moderator (L-001)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.debug import sensitive_post_parameters

from accounts import permissions
from domains import switches
from domains.models import Domain
from mailinglists import permits, room, selectors, services
from mailinglists.models import MailingList
from panel import bulk, confirming, listpages, notices, ofdomain, refusals
from panel.access import ACTION, ADMINISTRATORS, EVERYBODY, FORM, OF_DOMAINS, actor_of, opens_for
from panel.confirming import Question
from panel.forms.base import version_in
from panel.forms.mailinglists import ListForm
from panel.lists import BulkAction
from panel.mailinglists import MailingListListing, OwnListing, moderators_of, with_figures
from panel.undoing import undo_of_this

MOST_DELETED_AT_ONCE = 100


@opens_for(ADMINISTRATORS)
def lists(request: HttpRequest, name: str) -> HttpResponseBase:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name)
    urls = _urls(domain)
    actions = (BulkAction("Delete…", "trash-2", urls["delete"], is_danger=True),)
    rows = with_figures(selectors.lists_for(actor).filter(domain=domain))
    listing = MailingListListing(request, rows, actions=actions)
    is_off = not switches.is_on(domain.pk, "mailing_lists")
    listing.add_url = "" if is_off else urls["new"]
    listing.full = refusals.full(room.for_list(domain))
    _show(listing)
    return listing.response(urls=urls, is_off=is_off, **ofdomain.about(request, domain))


@opens_for(OF_DOMAINS)
def mine(request: HttpRequest) -> HttpResponseBase:
    """Those that the user moderates (U-005)."""
    actor = actor_of(request)
    if actor.domain is not None:
        permissions.require_feature(actor.domain, "mailing_lists")
    rows = selectors.lists_for(actor).filter(moderators__user=actor)
    listing = OwnListing(request, with_figures(rows))
    _show(listing)
    return listing.response()


@opens_for(ADMINISTRATORS, methods=FORM)
@sensitive_post_parameters()
def new(request: HttpRequest, name: str) -> HttpResponse:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name)
    is_post = request.method == "POST"
    form = ListForm.for_new(domain, request.POST if is_post else None)

    def create() -> None:
        services.create_list(
            domain=domain,
            local_part=_local_part(form.name, domain),
            values=form.values(),
            post_password=form.password() or "",
            moderators=form.moderators or [],
            poster_rules=form.rules,
            by=actor,
        )

    if is_post and form.is_valid() and form.save(create):
        text = f"Made the list {_local_part(form.name, domain).lower()}@{domain}."
        notices.done(request, text, undo=undo_of_this())
        return redirect("panel:lists", name)
    full = "" if is_post else refusals.full(room.for_list(domain))
    context = {"tabbed": form, "full": full, **ofdomain.about(request, domain)}
    return render(request, "panel/mailinglists/new.html", context)


@opens_for(EVERYBODY, methods=FORM)
@sensitive_post_parameters()
def edit(request: HttpRequest, name: str, local_part: str) -> HttpResponse:
    """Its settings; a moderator finds those that are his to set (L-011)."""
    actor = actor_of(request)
    row = listpages.found(request, name, local_part)
    is_post = request.method == "POST"
    version = version_in(request.POST) if is_post else row.version
    manages = permits.may_manage(actor, row)
    form = ListForm(row, request.POST if is_post else None, manages=manages, version=version)

    def change() -> None:
        services.change_list(
            mailing_list=row,
            values=form.values(),
            post_password=form.password(),
            moderators=form.moderators,
            poster_rules=form.rules,
            expected_version=form.version,
            by=actor,
        )

    if is_post and form.is_valid() and form.save(change):
        undo = undo_of_this() if actor.role in ADMINISTRATORS else None
        notices.done(request, f"Saved {row}.", undo=undo)
        return redirect(listpages.url(row))
    context = {"tabbed": form, **listpages.about(request, row)}
    return render(request, "panel/mailinglists/edit.html", context)


@opens_for(ADMINISTRATORS, methods=ACTION)
def delete(request: HttpRequest, name: str) -> HttpResponse:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name)
    urls = _urls(domain)
    rows = with_figures(selectors.lists_for(actor).filter(domain=domain))
    listing = MailingListListing(request, rows)
    chosen: list[MailingList] = list(listing.selected()[: MOST_DELETED_AT_ONCE + 1])
    if not chosen or len(chosen) > MOST_DELETED_AT_ONCE:
        notices.warned(request, f"Select one to {MOST_DELETED_AT_ONCE} lists to delete.")
        return redirect(urls["list"])
    question = Question(
        heading="Delete mailing list" if len(chosen) == 1 else f"Delete {len(chosen)} lists",
        warning="Mail to these addresses is refused from then on. Subscribers and posts that wait "
        "for a moderator are gone for good; the list can be made again, but not they.",
        rows=[(row.local_part, _described(row)) for row in chosen],
        url=urls["delete"],
        back_url=urls["list"],
        back_label=f"Mailing lists of {domain}",
        wanted=str(chosen[0]) if len(chosen) == 1 else f"delete {len(chosen)} lists",
    )
    if not confirming.is_confirmed(request, question):
        return confirming.ask(request, question)

    def remove(row: MailingList) -> None:
        services.delete_list(mailing_list=row, by=actor)

    bulk.tell(request, "Deleted", bulk.each(chosen, remove), "lists")
    return redirect(urls["list"])


def _described(row: MailingList) -> str:
    count: int = getattr(row, "subscribers_now", 0)
    return f"{row}, {count:,} subscriber{'s' * (count != 1)}"


def _show(listing: MailingListListing) -> None:
    for row in listing.rows:
        shown: dict[str, object] = vars(row)
        shown["url"] = listpages.url(row)
        shown["subscribers_url"] = listpages.url(row, "list-subscribers")
        shown["posts_url"] = listpages.url(row, "list-posts")
        shown["moderator_names"] = moderators_of(row)


def _local_part(text: str, domain: Domain) -> str:
    """A whole address of the domain is as good as its beginning."""
    return text.strip().removesuffix(f"@{domain.name}").removesuffix(f"@{domain.unicode_name}")


def _urls(domain: Domain) -> dict[str, str]:
    return {
        "list": reverse("panel:lists", args=(domain.name,)),
        "new": reverse("panel:lists-new", args=(domain.name,)),
        "delete": reverse("panel:lists-delete", args=(domain.name,)),
    }


_OF_DOMAIN = "domain/<str:name>/lists/"
urlpatterns = [
    path(_OF_DOMAIN, lists, name="lists"),
    path(f"{_OF_DOMAIN}new/", new, name="lists-new"),
    path(f"{_OF_DOMAIN}delete/", delete, name="lists-delete"),
    path("domain/<str:name>/list/<str:local_part>/", edit, name="list"),
    path("my-lists/", mine, name="my-lists"),
]
