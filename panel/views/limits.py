"""The limits in force for a domain: every ceiling, what binds and what is left (D-081, D-092)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from accounts import selectors
from accounts.models import Role
from administration import limits
from clock.moments import utc_now
from panel import ofdomain
from panel.access import ADMINISTRATORS, actor_of, opens_for


@opens_for(ADMINISTRATORS)
def of_domain(request: HttpRequest, name: str) -> HttpResponse:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name)
    found = limits.of_domain(domain, now=utc_now())
    if actor.role == Role.DOMAIN_ADMINISTRATOR:
        found = limits.as_customers_see(found)
    elif actor.role == Role.RESELLER:
        found = limits.as_resellers_see(found)
    context = {"limits": found, **ofdomain.about(request, domain)}
    return render(request, "panel/domains/limits.html", context)


urlpatterns = [path("domain/<str:name>/limits/", of_domain, name="domain-limits")]
