"""Numbers of the spool, and forecasts: as it is, and as it would be with another limit (S-068)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from accounts import selectors
from clock.moments import utc_now
from panel.access import SYSTEM, actor_of, opens_for
from panel.spoolnumbers import deliveries, numbers_of
from spool import statistics
from spool.statistics import Throttle


@opens_for(SYSTEM)
def spool_statistics(request: HttpRequest) -> HttpResponse:
    """`?domain=&limit=` asks what if; an empty limit: as if the domain were not limited."""
    actor, now = actor_of(request), utc_now()
    found = statistics.current(now=now)
    name, limit = request.GET.get("domain", "").strip(), request.GET.get("limit", "").strip()
    context: dict[str, object] = {"found": found, "numbers": numbers_of(found), "limit": limit}
    context["deliveries"] = deliveries(found.load)
    if name:
        domain = selectors.domain_for(actor, name)
        is_number = limit.isascii() and limit.isdigit() and len(limit) < 10
        if limit and not is_number:
            context["problem"] = "Say a whole number of messages an hour, or nothing for no limit."
        else:
            throttle = Throttle(int(limit) if limit else None)
            context["supposed"] = statistics.forecast(now=now, throttles={domain.pk: throttle})
        context["domain"] = domain
    return render(request, "panel/spool/statistics.html", context)


urlpatterns = [path("spool/statistics/", spool_statistics, name="spool-statistics")]
