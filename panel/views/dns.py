"""What must stand in a domain's DNS: after it was opened (D-028), and ever after."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from accounts import selectors
from accounts.permissions import Verb
from panel import ofdomain
from panel.access import PROVIDERS, actor_of, opens_for


@opens_for(PROVIDERS)
def opened(request: HttpRequest, name: str) -> HttpResponse:
    domain = selectors.domain_for(actor_of(request), name, verb=Verb.CHANGE_OPTIONS)
    return render(request, "panel/domains/opened.html", ofdomain.about(request, domain))


urlpatterns = [path("domain/<str:name>/opened/", opened, name="domain-opened")]
