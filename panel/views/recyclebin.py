"""The recycle bin: what was deleted and can be restored, or removed for good (D-008)."""

from __future__ import annotations

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts import recyclebin
from accounts.models import Recycled
from accounts.recyclebin import RecycledUnknown
from domains.errors import Refused
from panel import notices, refusals
from panel.access import ACTION, ADMINISTRATORS, FORM, actor_of, opens_for
from panel.lists import Column, Listing, Pill
from panel.undoing import undo_of_this


class RecycledListing(Listing[Recycled]):
    title = "Recycle bin"
    singular, plural = "item", "items"
    sorted_by = "-deleted_at"
    rows_template = "panel/recyclebin/rows.html"
    empty_title = "The recycle bin is empty"
    empty_text = "Deleted users and domains lie here for some days, with their mail."
    searched = ("name__icontains", "deleted_by__icontains")
    pills = (
        Pill("all", "All", Q()),
        Pill("users", "Users", Q(kind=Recycled.Kind.USER)),
        Pill("domains", "Domains", Q(kind=Recycled.Kind.DOMAIN)),
    )
    columns = (
        Column("Name", "name", lambda row: row.name),
        Column("Kind", "kind", lambda row: row.get_kind_display()),
        Column("Deleted", "deleted_at", lambda row: row.deleted_at, unit="UTC"),
        Column("By", "", lambda row: row.deleted_by),
        Column("Removed for good", "purge_at", lambda row: row.purge_at, unit="UTC"),
    )


@opens_for(ADMINISTRATORS)
def recycled(request: HttpRequest) -> HttpResponseBase:
    return RecycledListing(request, recyclebin.recycled_for(actor_of(request))).response()


@opens_for(ADMINISTRATORS, methods=ACTION)
def restore(request: HttpRequest, item: int) -> HttpResponse:
    found = _item(request, item)
    try:
        problems = recyclebin.restore(item=found, by=actor_of(request))
    except Refused as error:
        notices.failed(request, f"{found} was not restored. {refusals.words(error)}")
        return redirect("panel:recycle-bin")
    notices.done(request, f"Restored {found}.", undo=undo_of_this())
    if problems:
        notices.warned(request, "\n".join(problems))
    return redirect("panel:recycle-bin")


@opens_for(ADMINISTRATORS, methods=FORM)
def purge(request: HttpRequest, item: int) -> HttpResponse:
    """Asks for the name first: this has no way back (D-009)."""
    found = _item(request, item)
    typed = request.POST.get("confirmation")
    if typed is None or typed.strip() != found.name:
        context = {
            "item": found,
            "is_wrong": typed is not None,
            "url": reverse("panel:recycle-bin-purge", args=(found.pk,)),
        }
        return render(request, "panel/recyclebin/purge.html", context)
    recyclebin.purge(item=found, by=actor_of(request))
    notices.done(request, f"Removed {found} for good.")
    return redirect("panel:recycle-bin")


def _item(request: HttpRequest, item_id: int) -> Recycled:
    try:
        return recyclebin.recycled_item(actor_of(request), item_id)
    except RecycledUnknown as error:
        raise Http404(str(error)) from None


urlpatterns = [
    path("recycle-bin/", recycled, name="recycle-bin"),
    path("recycle-bin/<int:item>/restore/", restore, name="recycle-bin-restore"),
    path("recycle-bin/<int:item>/purge/", purge, name="recycle-bin-purge"),
]
