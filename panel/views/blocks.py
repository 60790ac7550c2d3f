"""Who is kept out for now: seen, added by hand, lifted (M-050…M-056)."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse

from accounts import permissions
from accounts.models import User
from accounts.permissions import Verb
from operations import blocks
from operations.models import Block, Kind
from panel import bulk, formpage, notices
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.formpage import FormPage
from panel.forms.abuse import BlockForm
from panel.lists import BulkAction, Column, Listing, Pill


def _of(service: str) -> Q:
    """With those that hold for every service."""
    return Q(service__in=("", service))


class BlockListing(Listing[Block]):
    title = "Current blocks"
    singular, plural = "block", "blocks"
    sorted_by = "-since"
    searched = ("network__startswith",)
    rows_template = "panel/operations/block_rows.html"
    page_template = "panel/operations/blocks.html"
    empty_title = "Nobody is blocked"
    empty_text = "Nobody is kept out at this moment. The abuse rules say when somebody will be."
    empty_page, empty_page_label = "panel:abuse-rules", "Abuse rules"
    pills = (
        Pill("all", "All", Q()),
        Pill("smtp", "SMTP", _of("smtp")),
        Pill("imap", "IMAP", _of("imap")),
        Pill("pop", "POP", _of("pop")),
        Pill("ldap", "LDAP", _of("ldap")),
        Pill("harvesting", "Email harvesting", Q(kind=Kind.HARVESTING)),
    )
    columns = (
        Column("Party", "network", lambda row: row.network or f"account {row.account_id}"),
        Column("Service", "service", lambda row: row.service or "all"),
        Column("Rule", "kind", lambda row: row.get_kind_display() or "by hand"),
        Column("Since", "since", lambda row: row.since, unit="UTC"),
        Column("Until", "until", lambda row: row.until or "lifted", unit="UTC"),
        Column("Hits", "hits", lambda row: row.hits, is_number=True),
        Column("Note", "", lambda row: row.note),
    )


@opens_for(SYSTEM)
def overview(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    actions = (BulkAction("Delete", "shield-off", reverse("panel:blocks-lift")),)
    listing = BlockListing(request, blocks.blocks_for(actor), actions=actions)
    accounts = {row.account_id for row in listing.rows if row.account_id is not None}
    users = User.objects.select_related("domain").in_bulk(accounts) if accounts else {}
    for row in listing.rows:
        row.user = users.get(row.account_id or 0)  # type: ignore[attr-defined]
    return listing.response()


@opens_for(SYSTEM, methods=ACTION)
def lift(request: HttpRequest) -> HttpResponse:
    """The party can connect at once; the rule stays and counts from zero (M-056)."""
    actor = actor_of(request)
    chosen = list(BlockListing(request, blocks.blocks_for(actor)).selected())
    if not chosen:
        notices.warned(request, "Nothing was selected, or its time is over.")
    outcome = bulk.each(chosen, lambda row: blocks.lift(block=row, by=actor))
    bulk.tell(request, "Deleted the block of", outcome, "parties")
    state = request.GET.urlencode()
    return redirect(reverse("panel:blocks") + (f"?{state}" if state else ""))


@opens_for(SYSTEM, methods=FORM)
def new(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    permissions.require(actor, Verb.MANAGE_SERVER)
    is_post = request.method == "POST"
    form = BlockForm(request.POST) if is_post else BlockForm()

    def add() -> None:
        data: dict[str, Any] = form.cleaned_data
        blocks.add(
            network=data["network"],
            service=data["service"],
            seconds=data["minutes"] * 60,
            note=data["note"],
            by=actor,
        )

    if formpage.save(request, form, add):
        notices.done(request, f"Blocked {form.cleaned_data['network']}.")
        return redirect("panel:blocks")
    page = FormPage("New block", "Block", reverse("panel:blocks"), "Current blocks")
    return page.show(request, form)


urlpatterns = [
    path("blocks/", overview, name="blocks"),
    path("blocks/new/", new, name="block-new"),
    path("blocks/delete/", lift, name="blocks-lift"),
]
