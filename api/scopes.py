"""What a token may be good for: `resource:read`, `resource:write`; writing includes reading."""

from __future__ import annotations

from collections.abc import Iterable

RESOURCES = (
    "domains", "users", "aliases", "plans", "resellers", "gateways", "spool", "reports", "services",
    "blocks", "connections", "settings", "jobs", "audit", "tokens", "webhooks", "logs",
    "certificates", "relaying", "recycle-bin", "messaging", "archive", "mailboxes",
    "retrieval", "mailing-lists",
)  # fmt: skip
READ, WRITE = "read", "write"
ALL = "*"
ALL_READING = "*:read"
SCOPES = (
    ALL,
    ALL_READING,
    *(f"{resource}:{way}" for resource in RESOURCES for way in (READ, WRITE)),
)


def allows(scopes: Iterable[str], resource: str, way: str) -> bool:
    """Whether somebody with these scopes may read or write the resource."""
    granted = set(scopes)
    if ALL in granted or f"{resource}:{WRITE}" in granted:
        return True
    return way == READ and not granted.isdisjoint({ALL_READING, f"{resource}:{READ}"})


def within(wanted: Iterable[str], granted: Iterable[str]) -> bool:
    """Whether `wanted` opens nothing that `granted` does not."""
    granted = set(granted)
    if ALL in granted:
        return True
    for scope in wanted:
        resource, _, way = scope.partition(":")
        if scope == ALL:
            return False
        if scope == ALL_READING:
            if scope not in granted:
                return False
        elif not allows(granted, resource, way):
            return False
    return True
