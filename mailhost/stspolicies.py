"""Serves the MTA-STS policies of hosted domains, each under a host of its own (RFC 8461 §3.3)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from zones import published

PATH = "/.well-known/mta-sts.txt"
HOST_PREFIX = "mta-sts."

Answer = Callable[[HttpRequest], HttpResponse]


class ServePolicies:
    """Middleware that answers PATH itself: the hosts are the domains', not the panel's."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info != PATH:
            return self._get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        host = request.META.get("HTTP_HOST", "").lower().partition(":")[0].removesuffix(".")
        policy = None
        if host.startswith(HOST_PREFIX):
            policy = published.policy_for(host.removeprefix(HOST_PREFIX))
        if policy is None:
            return HttpResponse("No policy\n", status=404, content_type="text/plain")
        return HttpResponse(policy.encode(), content_type="text/plain")
