"""Pages for what cannot be shown: forbidden, not there, broken, forged."""

from __future__ import annotations

import secrets
import sys

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

log = structlog.get_logger(__name__)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    reason = str(exception or "") or "Your role does not include this page."
    return _show(request, 403, "Not permitted", reason)


def missing(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _show(request, 404, "Page not found", "There is nothing here, or not for you.")


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's check against forged forms (CSRF) refused the request."""
    text = "The form was too old or came from elsewhere. Go back, reload the page, and try again."
    return _show(request, 403, "Form not accepted", text)


def broken(request: HttpRequest) -> HttpResponse:
    """The number on the page finds the traceback in the log."""
    number = secrets.token_hex(4)
    log.error("page failed", id=number, path=request.path, exc_info=sys.exc_info())
    text = f"This is our fault. The log has the details under the number {number}."
    return render(
        request, "panel/failure_bare.html", {"title": "Something broke", "text": text}, status=500
    )


def _show(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    return render(
        request, "panel/failure.html", {"status": status, "title": title, "text": text},
        status=status,
    )  # fmt: skip
