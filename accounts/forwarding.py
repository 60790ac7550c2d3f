"""The forwarding blacklist: where mail may not be forwarded automatically (G-045…G-047)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from accounts.errors import ForwardingRefused
from accounts.models import ForwardingBan
from clock.moments import utc_now
from domains.directory import Memory
from domains.errors import Problem, ValuesRefused
from domains.models import Domain, DomainTechnical
from domains.names import read_name
from domains.values import replace
from events import audit
from events.audit import Actor
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

NOTE = b"forwarding blacklist"


def read_pattern(text: str) -> str:
    """A domain, or `*.domain` for all below it, in the stored form. Raises NameMalformed."""
    text = text.strip()
    if text.startswith("*."):
        return f"*.{read_name(text[2:]).name}"
    return read_name(text).name


@transaction.atomic
def add(*, name: str, by: Actor | None, note: str = "") -> ForwardingBan:
    """Forwards that exist already stop, too (G-047). Raises NameMalformed, ValuesRefused."""
    row = ForwardingBan(name=read_pattern(name), created_at=utc_now())
    replace(row, {"note": note}, fields=("note",))
    row, is_new = ForwardingBan.objects.get_or_create(
        name=row.name, defaults={"note": row.note, "created_at": row.created_at}
    )
    if not is_new:
        raise ValuesRefused((Problem("name", "is listed already"),))
    audit.record(by, "added forwarding blacklist entry", row)
    publish_on_commit(Topic.SETTINGS, 0, NOTE, durable=True)
    return row


@transaction.atomic
def change(*, row: ForwardingBan, values: Mapping[str, Any], by: Actor | None) -> ForwardingBan:
    """Its note can be set. Raises ValuesRefused."""
    changes = replace(row, values, fields=("note",))
    if changes:
        row.save(update_fields=list(changes))
        audit.record(by, "changed forwarding blacklist entry", row, changes)
    return row


@transaction.atomic
def remove(*, row: ForwardingBan, by: Actor | None) -> None:
    """Forwards there go on."""
    audit.record(by, "removed forwarding blacklist entry", row, {"note": (row.note, None)})
    row.delete()
    publish_on_commit(Topic.SETTINGS, 0, NOTE, durable=True)


def require_allowed(domain: Domain, addresses: Iterable[tuple[str, str]]) -> None:
    """For each forward of `domain` that is saved: (address, its domain), none of them ours.

    Raises ForwardingRefused with all that are refused (G-046); D-054 lets a domain do as it likes.
    """
    refused = [address for address, name in addresses if matches(name, _patterns(1))]
    if not refused:
        return
    technical = DomainTechnical.objects.get(domain=domain)
    if not technical.bypass_forward_blacklist:
        raise ForwardingRefused(tuple(refused))


def is_banned(domain_name: str, *, cached_only: bool = False) -> bool:
    """Whether mail to this domain may not be forwarded. Raises domains.directory.Cold."""
    patterns = _memory.ask(1, _patterns, cached_only=cached_only)
    return bool(patterns) and matches(domain_name, patterns)


def matches(name: str, patterns: frozenset[str]) -> bool:
    if name in patterns:
        return True
    labels = name.split(".")
    return any(f"*.{'.'.join(labels[i:])}" in patterns for i in range(1, len(labels)))


def forget() -> None:
    """Called for each note on Topic.SETTINGS."""
    _memory.clear()


_memory: Memory[int, frozenset[str]] = Memory(limit=1)


def _patterns(_key: int) -> frozenset[str]:
    return frozenset(ForwardingBan.objects.values_list("name", flat=True))
