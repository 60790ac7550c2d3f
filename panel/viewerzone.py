"""Pages for people say each moment in the time zone of whoever looks (X-001)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.models import User
from units import moments

# Programs read UTC: the API, metrics and what other servers ask for stay as they are.
FOR_PEOPLE = ("/panel/", "/admin/")


class ViewersZone:
    """Middleware, behind what tells who looks; within an impersonation, that is the subject."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(FOR_PEOPLE):
            return self._get_response(request)
        user = request.user
        zone = moments.zone(user.time_zone if isinstance(user, User) else "")
        with timezone.override(zone):
            return self._get_response(request)
