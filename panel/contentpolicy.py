"""What a browser may load: only the panel's own files, nothing inline, nothing from elsewhere."""

from __future__ import annotations

from csp.middleware import CSPMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

# Unfold computes with Alpine.js in attributes and styles its elements inline.
OF_ADMIN = {
    "script-src": ["'self'", "'unsafe-inline'", "'unsafe-eval'"],
    "style-src": ["'self'", "'unsafe-inline'"],
}


class ContentPolicy(CSPMiddleware):
    """django-csp with the settings' policy, loosened for the Django admin alone."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if request.path.startswith(reverse("admin:index")):
            response._csp_replace = OF_ADMIN  # type: ignore[attr-defined]
        return super().process_response(request, response)
