"""What all pages about one mailing list show: its name, and the way to its other pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import Role
from mailinglists import permits, selectors
from mailinglists.models import MailingList
from panel import ofdomain
from panel.access import actor_of
from panel.lists import Link

# Page and what it is called.
PAGES = (
    ("Settings", "panel:list"),
    ("Subscribers", "panel:list-subscribers"),
    ("Posts that wait", "panel:list-posts"),
)


def found(request: HttpRequest, name: str, local_part: str) -> MailingList:
    """The list of an address, for its moderators and whoever is above them.

    Raises ListUnknown, NotPermitted, FeatureOff.
    """
    return selectors.list_for(actor_of(request), f"{local_part}@{name}")


def url(row: MailingList, page: str = "list", *more: object) -> str:
    return reverse(f"panel:{page}", args=(row.domain.name, row.local_part, *more))


def about(request: HttpRequest, row: MailingList) -> dict[str, Any]:
    """The context that `panel/mailinglists/base.html` needs."""
    actor = actor_of(request)
    waiting = selectors.held_posts(row).count()
    return {
        "mailing_list": row,
        "is_manager": permits.may_manage(actor, row),
        "is_moderator_alone": actor.role == Role.USER,
        "waiting": waiting,
        "list_links": list(_links(request, row, waiting)),
        **ofdomain.about(request, row.domain),
    }


def _links(request: HttpRequest, row: MailingList, waiting: int) -> Iterator[Link]:
    urls = [url(row, page.removeprefix("panel:")) for _, page in PAGES]
    active = max((one for one in urls if request.path.startswith(one)), key=len, default="")
    for (label, page), one in zip(PAGES, urls, strict=True):
        counted = f"{label} ({waiting:,})" if page == "panel:list-posts" and waiting else label
        yield Link(counted, one, one == active)
