"""Style sheets, scripts and fonts, straight from the packages that bring them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.templatetags.static import static

COMPRESSED = ("text/css", "text/javascript", "application/javascript", "image/svg+xml")


class StampedFiles(StaticFilesStorage):
    """An address with a stamp of the content: browsers keep it until the content changes."""

    def url(self, name: str | None) -> str:
        stamp = _stamp(name or "")
        return f"{super().url(name)}{f'?v={stamp}' if stamp else ''}"


@lru_cache(maxsize=1024)
def _stamp(name: str) -> str:
    found = finders.find(name)
    return hashlib.sha256(Path(found).read_bytes()).hexdigest()[:12] if found else ""


def admin_style(request: HttpRequest) -> str:
    """The address of what the Django admin needs beside Unfold's own style sheet."""
    return static("panel/admin.css")


class CompressStaticFiles(GZipMiddleware):
    """Only files that are the same for everybody: a page holds secrets (BREACH)."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        kind = response.get("Content-Type", "").partition(";")[0]
        if not request.path.startswith(settings.STATIC_URL) or kind not in COMPRESSED:
            return response
        return super().process_response(request, response)
