"""What all pages about one domain show: its name, and the way to its other pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from domains.models import Domain
from operations import lostaddresses
from panel import domainactions
from panel.access import PROVIDERS, actor_of
from panel.domainactions import Action, ActionLink
from panel.lists import Link

# Its own people find the same pages in the menu; what acts at once has no place among pages.
NOT_SHOWN = frozenset({"panel:domain-impersonate", "panel:domain-reload", "panel:domain-rename"})


def about(request: HttpRequest, domain: Domain) -> dict[str, Any]:
    """The context that `panel/domains/nav.html` and `panel/domains/crumbs.html` need."""
    actor = actor_of(request)
    is_provider = actor.role in PROVIDERS
    limits_url = reverse("panel:domain-limits", args=(domain.name,))
    found: dict[str, Any] = {"domain": domain, "is_provider": is_provider, "limits_url": limits_url}
    found["lost_address"] = lostaddresses.row_for(domain)
    if is_provider:
        allowed = domainactions.allowed_to(actor)
        shown = [one for one in allowed if one.url_name not in NOT_SHOWN]
        others = [one for one in allowed if one.url_name in NOT_SHOWN]
        found["domain_links"] = list(_links(shown, domain, request.path))
        found["domain_acts"] = list(domainactions.links(others, domain.name))
    return found


def _links(actions: list[Action], domain: Domain, path: str) -> Iterator[Link]:
    off = domainactions.off_for([domain.pk]).get(domain.pk, ())
    links = list(domainactions.links(actions, domain.name, off=off))
    active = _active(links, path)
    for link in links:
        yield Link(link.label, link.url, bool(link.url) and link.url == active)


def _active(links: list[ActionLink], path: str) -> str:
    """The longest address that the path begins with."""
    return max(
        (link.url for link in links if link.url and path.startswith(link.url)), key=len, default=""
    )
