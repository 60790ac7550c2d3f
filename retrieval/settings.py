"""How mail is fetched, for the whole server: one row of settings."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from domains.errors import Problem, ValuesRefused
from domains.singlerow import SingleRow
from retrieval.models import RetrievalSettings

Network = IPv4Network | IPv6Network

# Field to the least and greatest value.
RANGES = {
    "parallel_accounts": (1, 200),
    "reply_seconds": (5, 600),
    "session_minutes": (1, 240),
}
MOST_NETWORKS = 100


def _check(row: RetrievalSettings) -> None:
    if problems := tuple(_problems(row)):
        raise ValuesRefused(problems)


def _problems(row: RetrievalSettings) -> Iterator[Problem]:
    for field, (least, most) in RANGES.items():
        if not least <= getattr(row, field) <= most:
            yield Problem(field, f"must be {least} to {most}")
    if len(row.allowed_networks) > MOST_NETWORKS:
        yield Problem("allowed_networks", f"must not be more than {MOST_NETWORKS}")
    for text in row.allowed_networks:
        if not isinstance(text, str) or _network(text) is None:
            yield Problem("allowed_networks", f"{str(text)[:60]} is no network, as 10.1.0.0/16")


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def networks(row: RetrievalSettings) -> tuple[Network, ...]:
    """Those that are allowed beside the public ones."""
    found = (_network(text) for text in row.allowed_networks if isinstance(text, str))
    return tuple(one for one in found if one is not None)


RETRIEVAL = SingleRow(RetrievalSettings, "retrieval", _check)
