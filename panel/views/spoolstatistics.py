"""Numbers of the spool, and forecasts: as it is, and as it would be with another limit (S-068)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from clock.moments import utc_now
from panel.access import SYSTEM, opens_for
from panel.spoolnumbers import deliveries, numbers_of
from spool import statistics, supposing, throttlepolicy
from spool.throttlepolicy import PayerUnknown


@opens_for(SYSTEM)
def spool_statistics(request: HttpRequest) -> HttpResponse:
    """`?of=&limit=` asks what if; an empty limit: as if that domain, user or list had none."""
    now = utc_now()
    found = statistics.current(now=now)
    of, limit = request.GET.get("of", "").strip(), request.GET.get("limit", "").strip()
    context: dict[str, object] = {"found": found, "numbers": numbers_of(found)}
    context |= {"deliveries": deliveries(found.load), "of": of, "limit": limit}
    is_number = limit.isascii() and limit.isdigit() and len(limit) < 10
    if limit and not is_number:
        context["problem"] = "Say a whole number of messages an hour, or nothing for no limit."
    elif of:
        allowed = int(limit or 0) or None
        try:
            payer = throttlepolicy.payer_by_name(of)
        except PayerUnknown as error:
            context["unknown"] = str(error)
        else:
            context["allowed"] = allowed
            context["supposed"] = supposing.with_limit(
                payer=payer, messages_per_hour=allowed, now=now
            )
    return render(request, "panel/spool/statistics.html", context)


urlpatterns = [path("spool/statistics/", spool_statistics, name="spool-statistics")]
