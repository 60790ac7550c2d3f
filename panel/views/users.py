"""The users of a domain, and what is done to several of them at once (U-010, U-016)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse

from accounts import room, selectors, services
from accounts.models import Status, User
from accounts.permissions import Verb
from administration import bulkjobs
from domains.models import Domain
from jobs import services as jobs
from panel import bulk, confirming, notices, ofdomain, recycling, refusals, usercsv
from panel.access import ACTION, ADMINISTRATORS, actor_of, opens_for
from panel.confirming import Question
from panel.lists import BulkAction
from panel.undoing import undo_of_this
from panel.userlist import UserListing, users_of

# More names than this are too many to look through before they go.
MOST_DELETED = 500
WARNING = (
    "The mailboxes below are removed with all their mail, and so are aliases that lead nowhere "
    "else. New mail for these addresses is refused. "
)


@opens_for(ADMINISTRATORS)
def users(request: HttpRequest, name: str) -> HttpResponseBase:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_USERS)
    urls = _urls(domain)
    listing = UserListing(request, users_of(actor, domain), actions=_bulk_actions(urls))
    listing.add_url = urls["new"]
    listing.full = refusals.full(room.for_user(domain))
    if request.GET.get("format") == "csv":
        return usercsv.export(f"users of {domain.name}.csv", listing.matching)
    for row in listing.rows:
        row.url = reverse("panel:user", args=(domain.name, row.local_part))  # type: ignore[attr-defined]
    return listing.response(urls=urls, **ofdomain.about(request, domain))


@opens_for(ADMINISTRATORS, methods=ACTION)
def enable(request: HttpRequest, name: str) -> HttpResponse:
    return _set_status(request, name, Status.ENABLED)


@opens_for(ADMINISTRATORS, methods=ACTION)
def disable(request: HttpRequest, name: str) -> HttpResponse:
    return _set_status(request, name, Status.DISABLED)


@opens_for(ADMINISTRATORS, methods=ACTION)
def delete(request: HttpRequest, name: str) -> HttpResponse:
    """Asks first: the address of one user, or how many, must be typed."""
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_USERS)
    urls = _urls(domain)
    chosen = _selected(request, domain)[: MOST_DELETED + 1]
    if not chosen or len(chosen) > MOST_DELETED:
        notices.warned(request, f"Select one to {MOST_DELETED} users to delete.")
        return redirect(urls["list"])
    one = len(chosen) == 1
    question = Question(
        heading="Delete user" if one else f"Delete {len(chosen)} users",
        warning=WARNING + recycling.in_words(),
        rows=[(user.local_part, str(user)) for user in chosen],
        url=urls["delete"],
        back_url=urls["list"],
        back_label=f"Users of {domain}",
        wanted=str(chosen[0]) if one else f"delete {len(chosen)} users",
    )
    if not confirming.is_confirmed(request, question):
        return confirming.ask(request, question)
    if len(chosen) > bulkjobs.MOST_DELETED_AT_ONCE:
        addresses = [str(user) for user in chosen]
        job = jobs.start(
            bulkjobs.delete_users, by=actor, domain_id=domain.pk, total=len(addresses),
            addresses=addresses,
        )  # fmt: skip
        return bulk.follow(request, job, len(addresses), "users")
    outcome = bulk.each(chosen, lambda user: services.delete_user(user=user, by=actor))
    bulk.tell(request, "Deleted", outcome, "users", undo=undo_of_this())
    return redirect(urls["list"])


def _set_status(request: HttpRequest, name: str, status: Status) -> HttpResponse:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_USERS)
    urls = _urls(domain)
    chosen = [user for user in _selected(request, domain) if user.status != status]
    if not chosen:
        notices.warned(request, "No selected user needed this.")
        return redirect(_back(request, urls["list"]))
    if len(chosen) > bulkjobs.MOST_AT_ONCE:
        addresses = [str(user) for user in chosen]
        job = jobs.start(
            bulkjobs.set_users, by=actor, domain_id=domain.pk, total=len(addresses),
            addresses=addresses, status=status.value,
        )  # fmt: skip
        return bulk.follow(request, job, len(addresses), "users")
    outcome = bulk.each(
        chosen, lambda user: services.change_user(user=user, values={"status": status}, by=actor)
    )
    verb = "Enabled" if status == Status.ENABLED else "Disabled"
    bulk.tell(request, verb, outcome, "users", undo=undo_of_this())
    return redirect(_back(request, urls["list"]))


def _selected(request: HttpRequest, domain: Domain) -> list[User]:
    return list(UserListing(request, users_of(actor_of(request), domain)).selected())


def _bulk_actions(urls: dict[str, str]) -> tuple[BulkAction, ...]:
    return (
        BulkAction("Enable", "play", urls["enable"]),
        BulkAction("Disable", "pause", urls["disable"]),
        BulkAction("Delete…", "trash-2", urls["delete"], is_danger=True),
    )


def _urls(domain: Domain) -> dict[str, str]:
    names = ("new", "enable", "disable", "delete", "import")
    urls = {name: reverse(f"panel:users-{name}", args=(domain.name,)) for name in names}
    return {**urls, "list": reverse("panel:users", args=(domain.name,))}


def _back(request: HttpRequest, url: str) -> str:
    """The list as it was filtered."""
    state = request.GET.urlencode()
    return f"{url}?{state}" if state else url


urlpatterns = [
    path("domain/<str:name>/users/", users, name="users"),
    path("domain/<str:name>/users/enable/", enable, name="users-enable"),
    path("domain/<str:name>/users/disable/", disable, name="users-disable"),
    path("domain/<str:name>/users/delete/", delete, name="users-delete"),
]
