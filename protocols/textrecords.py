"""TXT records of the form `v=NAME1; tag=value; ...`. RFC 7489 §6.4, RFC 8460 §3, RFC 8461 §3.1."""

from __future__ import annotations

DMARC_POLICIES = ("none", "quarantine", "reject")


def has_version(text: str, version: str) -> bool:
    """Whether the record is of that kind: its first tag says so."""
    first = text.partition(";")[0]
    return first.replace(" ", "") == version


def tags(text: str) -> dict[str, str]:
    """Tag, in lower case, to value; the first of two counts. Parts that are neither are passed."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found.setdefault(name.strip().lower(), value.strip())
    return found
