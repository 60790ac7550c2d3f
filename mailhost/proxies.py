"""What a trusted proxy says of a request: who asks, and by which scheme (M-022)."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from operations import trustedproxies

Answer = Callable[[HttpRequest], HttpResponse]


class TrustProxies:
    """Middleware that comes before all that asks for the client; not there where none is listed."""

    def __init__(self, get_response: Answer) -> None:
        if not trustedproxies.are_listed():
            raise MiddlewareNotUsed
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        peer = str(request.META.get("REMOTE_ADDR", ""))
        if trustedproxies.is_trusted(peer):
            given = request.META
            given[trustedproxies.BY_PROXY] = peer
            given["REMOTE_ADDR"] = trustedproxies.client_of(
                peer, given.get("HTTP_X_FORWARDED_FOR", "")
            )
            # The rightmost is this proxy's own word, as with the addresses.
            scheme = given.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
            if scheme in ("http", "https"):
                given["wsgi.url_scheme"] = scheme
        return self._get_response(request)
