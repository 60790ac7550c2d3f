"""Tables as CSV files to download."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from reports.csvtext import lines


def response(
    name: str, heads: Iterable[str], rows: Iterable[Iterable[object]]
) -> StreamingHttpResponse:
    """A download; rows are written as they come."""
    return StreamingHttpResponse(
        lines(heads, rows),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": content_disposition_header(True, name) or "attachment",
            "Cache-Control": "private, no-store",
        },
    )
