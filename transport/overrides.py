"""An operator's exceptions for single destinations: set, remove, look up."""

from __future__ import annotations

from django.db import transaction

from blobs.contention import tried_again
from domains.directory import Memory
from domains.values import replace
from events import audit
from events.audit import Actor
from spool.gateways import read_destination
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic
from transport.errors import OverrideUnknown
from transport.models import Level, TlsPolicyOverride


@tried_again
@transaction.atomic
def set_override(
    *, destination: str, level: str, by: Actor | None, note: str | None = None
) -> TlsPolicyOverride:
    """Make or change the exception; `note` None: it stays. Raises NameMalformed, ValuesRefused."""
    name = read_destination(destination)
    found = TlsPolicyOverride.objects.select_for_update().filter(destination=name).first()
    row = found or TlsPolicyOverride(destination=name)
    values = {"level": level} if note is None else {"level": level, "note": note}
    changes = replace(row, values, fields=("level", "note"))
    if found is None or changes:
        row.save()
        verb = "added TLS policy override" if found is None else "changed TLS policy override"
        audit.record(by, verb, row, changes)
        _tell()
    return row


@transaction.atomic
def remove_override(*, destination: str, by: Actor | None) -> None:
    """The destination's own policies count again. Raises NameMalformed, OverrideUnknown."""
    name = read_destination(destination)
    row = TlsPolicyOverride.objects.select_for_update().filter(destination=name).first()
    if row is None:
        raise OverrideUnknown(name)
    kept = {"level": (row.level, None), "note": (row.note, None)}
    audit.record(by, "removed TLS policy override", row, kept)
    row.delete()
    _tell()


def _tell() -> None:
    publish_on_commit(Topic.SETTINGS, 0, b"tls policies", durable=True)
    transaction.on_commit(forget)


_memory: Memory[int, dict[str, Level]] = Memory(limit=1)


def override_for(domain: str, *, cached_only: bool = False) -> Level | None:
    """The narrowest exception that covers `domain`; None: there is none. Raises Cold."""
    known = _memory.ask(1, _read, cached_only=cached_only)
    if not known:
        return None
    name = domain
    if name in known:
        return known[name]
    while name := name.partition(".")[2]:
        if (found := known.get(f".{name}")) is not None:
            return found
    return None


def forget() -> None:
    """Called for each note on Topic.SETTINGS."""
    _memory.clear()


def _read(_key: int) -> dict[str, Level]:
    rows = TlsPolicyOverride.objects.values_list("destination", "level")
    return {destination: Level(level) for destination, level in rows}
