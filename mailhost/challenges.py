"""Shows a certificate authority what it asks for when it checks who rules a host (N-005)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from certificates import challenges

PREFIX = "/.well-known/acme-challenge/"

Answer = Callable[[HttpRequest], HttpResponse]


class AnswerChallenges:
    """Middleware that answers paths below PREFIX itself. RFC 8555 §8.3."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return self._get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        found = challenges.answer(request.path_info.removeprefix(PREFIX))
        if found is None:
            return HttpResponse("No such token\n", status=404, content_type="text/plain")
        return HttpResponse(found, content_type="application/octet-stream")
