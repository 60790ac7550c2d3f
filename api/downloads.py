"""Answers that are files: what is in them is somebody else's, and no browser shows them itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from rest_framework.request import Request

from api.endpoints import Endpoint


class DownloadEndpoint(Endpoint):
    """Takes any `Accept`: the file has the type that it has; problems are JSON all the same."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)


def download(pieces: Iterable[bytes], *, name: str, content_type: str) -> HttpResponseBase:
    headers = {
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingHttpResponse(pieces, content_type=content_type, headers=headers)
