"""Guards against lost updates: every single thing has an ETag, and a change names it. RFC 9110."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from api.errors import PreconditionFailed, PreconditionMissing

# Figures that move by themselves: they are no reason to refuse a change.
VOLATILE = frozenset(
    {
        "last_activity",
        "last_run",
        "last_used_at",
        "last_used_from",
        "next_at",
        "usage",
        "subscribers",
        "posts_waiting",
        "bounce_score",
        "last_bounce_at",
    }
)


def etag_of(shown: Any) -> str:
    """A tag of what can be changed in what is shown."""
    if isinstance(shown, dict):
        shown = {name: value for name, value in shown.items() if name not in VOLATILE}
    text = json.dumps(shown, cls=JSONEncoder, sort_keys=True)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def tagged(shown: Any, *, status: int = 200, **headers: str) -> Response:
    return Response(shown, status=status, headers={"ETag": etag_of(shown), **headers})


def require_match(request: Request, shown: Any, *, is_needed: bool = True) -> None:
    """Raises PreconditionMissing, PreconditionFailed. `shown`: what a GET would show now."""
    given = request.headers.get("If-Match")
    if given is None:
        if is_needed:
            raise PreconditionMissing
        return
    tags = {tag.strip() for tag in given.split(",")}
    if "*" not in tags and etag_of(shown) not in tags:
        raise PreconditionFailed
