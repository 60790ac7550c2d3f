"""The panel as passkeys know it, and the question that a page puts to them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from accounts import passkeys
from accounts.models import User
from accounts.passkeys import Site

# Where a session keeps the challenge until the answer comes.
STATE = "passkey"


def site_of(request: HttpRequest) -> Site:
    host = request.get_host()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return Site(name, f"{request.scheme}://{host}")


def options_for(request: HttpRequest, user: User) -> dict[str, Any] | None:
    """What the page asks a passkey for; None: the user has none."""
    if not passkeys.has_one(user):
        return None
    options, state = passkeys.ask_for_proof(user, site=site_of(request))
    request.session[STATE] = state
    return options
