"""What every page of the panel shows around its content."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from accounts.models import Role, User
from clock.moments import utc_now
from messaging import services
from panel import attention, helptopics, menu, status, windows

THEME_COOKIE = "theme"
THEMES = ("light", "dark")


def frame(request: HttpRequest) -> dict[str, Any]:
    """For templates. Other doors, such as the Django admin, have frames of their own."""
    match = request.resolver_match
    theme = request.COOKIES.get(THEME_COOKIE)
    found: dict[str, Any] = {"theme": theme if theme in THEMES else THEMES[0]}
    actor = getattr(request, "user", None)
    if isinstance(actor, User) and (match is None or match.app_name == "panel"):
        found["actor"] = actor
        found["help_topic"] = helptopics.topic_of_page((match and match.url_name) or "")
        if actor.domain_id is not None and request.method == "GET":
            found["reminders"] = services.unseen(actor, now=utc_now())
        found["attention"] = attention.of(actor)
        found["menu"] = menu.shown_to(actor, request.path, found["attention"].counters)
        found["impersonation"] = windows.of(request)
        if actor.role == Role.SYSTEM_ADMINISTRATOR:
            found["health"] = status.health()
    return found
