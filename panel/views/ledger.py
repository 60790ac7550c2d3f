"""The ledger: what was accepted, how it ended, and whether nothing is missing; refused mail."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from accounts import selectors
from accounts.models import Role
from clock.moments import utc_now
from panel.access import ADMINISTRATORS, SYSTEM, actor_of, opens_for
from spool import hours, proof
from spool.ledger import ENDS

DAYS = (1, 7, 31)
REFUSED_ROWS = 100
MOST_DOMAINS = 200  # balances shown at a time; the rest is found by name


@opens_for(ADMINISTRATORS)
def ledger(request: HttpRequest) -> HttpResponse:
    """`?domain=` names one of those in sight; `?days=` how far back.

    Of all domains together it is checked on demand only: that reads all the ledger there is.
    """
    actor, now = actor_of(request), utc_now()
    name = request.GET.get("domain", "").strip()
    domain = selectors.domain_for(actor, name) if name else None
    wanted = request.GET.get("days", "")
    days = int(wanted) if wanted in map(str, DAYS) else DAYS[0]
    found = hours.hours_for(
        actor, since=now - timedelta(days=days), until=now, domain_id=domain.pk if domain else None
    )
    in_sight = None if actor.role == Role.SYSTEM_ADMINISTRATOR else selectors.domains_for(actor)
    is_checked = (
        domain is not None or actor.role == Role.DOMAIN_ADMINISTRATOR or "check" in request.GET
    )
    balances = proof.balances(domains=in_sight, only=domain) if is_checked else []
    uneven = [one for one in balances if not one.is_even]
    context = {
        "hours": found,
        "ends": ENDS,
        "balances": [*uneven, *(one for one in balances if one.is_even)][:MOST_DOMAINS],
        "uneven": len(uneven),
        "count": len(balances),
        "is_checked": is_checked,
        "domain": domain,
        "days": days,
        "choices": DAYS,
    }
    return render(request, "panel/spool/ledger.html", context)


@opens_for(SYSTEM)
def refused(request: HttpRequest) -> HttpResponse:
    words = request.GET.get("q", "").strip().replace("\0", "")[:330]
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
    rows = hours.refused_mail(words=words, before=before, limit=REFUSED_ROWS + 1)
    more = rows[REFUSED_ROWS - 1].pk if len(rows) > REFUSED_ROWS else None
    context = {"rows": rows[:REFUSED_ROWS], "query": words, "more": more}
    return render(request, "panel/spool/refused.html", context)


urlpatterns = [
    path("ledger/", ledger, name="ledger"),
    path("trace/refused/", refused, name="refused-mail"),
]
