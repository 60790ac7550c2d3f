"""Exceptions, policies in use and results, for pages and commands."""

from __future__ import annotations

from protocols import mtasts
from protocols.mtasts import MalformedPolicy
from transport.models import StsPolicy, TlsPolicyOverride
from units import moments


def exceptions() -> list[dict[str, str]]:
    rows = TlsPolicyOverride.objects.all()
    return [{"destination": row.destination, "level": row.level, "note": row.note} for row in rows]


def policies() -> list[dict[str, str]]:
    """The MTA-STS policies of other domains that are kept."""
    return [
        {
            "domain": row.domain,
            "mode": _mode(row.body),
            "expires_at": moments.in_words(row.expires_at),
        }
        for row in StsPolicy.objects.order_by("domain")
    ]


def _mode(body: str) -> str:
    try:
        return mtasts.parse(body.encode()).mode
    except MalformedPolicy:
        return ""
