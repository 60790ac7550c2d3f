"""Users whom nobody has seen for a while, to be disabled or deleted (M-030…M-035)."""

from __future__ import annotations

from typing import Any

from django.db.models import BigIntegerField, F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse

from accounts import inactivity, permissions, services
from accounts.inactivity import Period
from accounts.models import Status, User
from accounts.permissions import Verb
from administration import bulkjobs
from clock.moments import utc_now
from jobs import services as jobs
from panel import bulk, confirming, notices
from panel.access import ACTION, ADMINISTRATORS, actor_of, opens_for
from panel.confirming import Question
from panel.lists import BulkAction, Column, Listing, Pill
from panel.notices import Undo

LARGEST_UNDO = 50
MOST_DELETED = 500
WARNING = "This cannot be undone. The mailboxes and all mail in them are removed."


class InactiveListing(Listing[User]):
    """The pills choose the period; which rows there are is the selector's matter."""

    title = "Inactive users"
    singular, plural = "user", "users"
    sorted_by = "last_active_at"
    counts_to = 10_000
    sorts_any_number = False
    searched = ("local_part__icontains", "domain__name__icontains")
    rows_template = "panel/operations/inactive_rows.html"
    page_template = "panel/operations/inactive.html"
    empty_title = "Nobody is inactive"
    empty_text = "Everybody has logged in within the last 30 days."
    pills = (
        Pill(Period.DAYS_30.value, "30 days", Q()),
        Pill(Period.DAYS_90.value, "90 days", Q()),
        Pill(Period.MONTHS_6.value, "6 months", Q()),
        Pill(Period.MONTHS_12.value, "12 months", Q()),
    )
    columns = (
        Column("User", "local_part", str),
        Column("Domain", "domain__name", lambda row: row.domain.name),
        Column("Last activity", "last_active_at", lambda row: row.last_active_at, unit="UTC"),
        Column("By", "", lambda row: row.last_service or "never logged in"),
        Column("Mailbox", "disk_used", lambda row: row.disk_used, is_number=True, unit="bytes"),
        Column("Status", "status", lambda row: row.get_status_display()),
    )


@opens_for(ADMINISTRATORS)
def overview(request: HttpRequest) -> HttpResponseBase:
    actions = (
        BulkAction("Disable", "user-x", reverse("panel:inactive-users-disable")),
        BulkAction("Delete…", "trash-2", reverse("panel:inactive-users-delete"), is_danger=True),
    )
    return InactiveListing(request, _rows(request), actions=actions).response()


@opens_for(ADMINISTRATORS, methods=ACTION)
def disable(request: HttpRequest) -> HttpResponse:
    return _set_status(request, Status.DISABLED, "Disabled", "enable")


@opens_for(ADMINISTRATORS, methods=ACTION)
def enable(request: HttpRequest) -> HttpResponse:
    return _set_status(request, Status.ENABLED, "Enabled", "disable")


@opens_for(ADMINISTRATORS, methods=ACTION)
def delete(request: HttpRequest) -> HttpResponse:
    """Asks first: the address of one user, or how many, must be typed."""
    actor = actor_of(request)
    chosen = list(InactiveListing(request, _rows(request)).selected()[: MOST_DELETED + 1])
    if not chosen or len(chosen) > MOST_DELETED:
        notices.warned(request, f"Select one to {MOST_DELETED} users to delete.")
        return redirect(_back(request))
    is_one = len(chosen) == 1
    question = Question(
        heading="Delete user" if is_one else f"Delete {len(chosen)} users",
        warning=WARNING,
        rows=[(str(user.pk), str(user)) for user in chosen],
        url=request.get_full_path(),
        back_url=_back(request),
        back_label="Inactive users",
        wanted=str(chosen[0]) if is_one else f"delete {len(chosen)} users",
    )
    if not confirming.is_confirmed(request, question):
        return confirming.ask(request, question)

    if len(chosen) > bulkjobs.MOST_DELETED_AT_ONCE:
        addresses = [str(user) for user in chosen]
        job = jobs.start(bulkjobs.delete_users, by=actor, total=len(addresses), addresses=addresses)
        return bulk.follow(request, job, len(addresses), "users")

    def remove(user: User) -> None:
        permissions.require(actor, Verb.CHANGE_USERS, user.domain)
        services.delete_user(user=user, by=actor)

    bulk.tell(request, "Deleted", bulk.each(chosen, remove), "users")
    return redirect(_back(request))


def _set_status(request: HttpRequest, status: Status, verb: str, opposite: str) -> HttpResponse:
    actor = actor_of(request)
    selected = InactiveListing(request, _rows(request)).selected()
    chosen = [user for user in selected if user.status != status]
    if not chosen:
        notices.warned(request, "No selected user needed this.")
        return redirect(_back(request))
    # The way back of those who were disabled in another manner would not be the same way.
    were_simple = {user.pk for user in chosen if user.status != Status.DISABLED_RECEIVING}

    if len(chosen) > bulkjobs.MOST_AT_ONCE:
        addresses = [str(user) for user in chosen]
        job = jobs.start(
            bulkjobs.set_users, by=actor, total=len(addresses), addresses=addresses,
            status=status.value,
        )  # fmt: skip
        return bulk.follow(request, job, len(addresses), "users")

    def change(user: User) -> None:
        permissions.require(actor, Verb.CHANGE_USERS, user.domain)
        services.change_user(user=user, values={"status": status}, by=actor)

    outcome = bulk.each(chosen, change)
    keys = [str(user.pk) for user in outcome.done if user.pk in were_simple]
    url = reverse(f"panel:inactive-users-{opposite}") + _query(request)
    undo = Undo(url, {"selected": keys}) if 0 < len(keys) <= LARGEST_UNDO else None
    bulk.tell(request, verb, outcome, "users", undo=undo)
    return redirect(_back(request))


def _rows(request: HttpRequest) -> QuerySet[User]:
    text: Any = request.GET.get("show", "")
    period = Period(text) if text in set(Period) else Period.DAYS_30
    rows = inactivity.inactive_for(actor_of(request), period, now=utc_now())
    return rows.annotate(disk_used=Coalesce(F("usage__bytes"), 0, output_field=BigIntegerField()))


def _query(request: HttpRequest) -> str:
    state = request.GET.urlencode()
    return f"?{state}" if state else ""


def _back(request: HttpRequest) -> str:
    """The list as it was filtered."""
    return reverse("panel:inactive-users") + _query(request)


urlpatterns = [
    path("inactive-users/", overview, name="inactive-users"),
    path("inactive-users/disable/", disable, name="inactive-users-disable"),
    path("inactive-users/enable/", enable, name="inactive-users-enable"),
    path("inactive-users/delete/", delete, name="inactive-users-delete"),
]
