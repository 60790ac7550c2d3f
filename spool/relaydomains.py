"""Domains whose mail is taken and passed on to another server: backup MX (G-016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from domains.directory import Memory
from domains.errors import NameTaken, Problem, ValuesRefused
from domains.models import HostedName
from domains.names import is_host, read_name
from domains.values import replace, settable_fields
from events import audit
from events.audit import Actor
from spool.models import RelayDomain
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Values = Mapping[str, Any]

FIELDS = tuple(name for name in settable_fields(RelayDomain) if name != "name")


@dataclass(frozen=True, slots=True)
class RelayPolicy:
    """An empty host: the servers of the domain that its MX prefers to this one."""

    name: str
    host: str
    port: int
    verify_recipients: bool
    one_recipient_at_a_time: bool = False


@transaction.atomic
def add(*, name: str, by: Actor | None, values: Values | None = None) -> RelayDomain:
    """Raises NameMalformed, NameTaken, ValuesRefused."""
    name = read_name(name).name
    if HostedName.objects.filter(name=name).exists():
        raise NameTaken(name)
    row = RelayDomain(name=name)
    _set(row, values or {})
    row, is_new = RelayDomain.objects.get_or_create(
        name=name, defaults={field: getattr(row, field) for field in FIELDS}
    )
    if not is_new:
        raise NameTaken(name)
    audit.record(by, "added relay domain", row)
    publish_on_commit(Topic.ROUTES, row.pk, durable=True)
    return row


@transaction.atomic
def change(*, row: RelayDomain, values: Values, by: Actor | None) -> RelayDomain:
    """Raises ValuesRefused."""
    row = RelayDomain.objects.select_for_update().get(pk=row.pk)
    if changes := _set(row, values):
        row.save(update_fields=list(changes))
        audit.record(by, "changed relay domain", row, changes)
        publish_on_commit(Topic.ROUTES, row.pk, durable=True)
    return row


@transaction.atomic
def remove(*, row: RelayDomain, by: Actor | None) -> None:
    """No mail is taken for it any more; what waits goes to its MX."""
    key = row.pk
    kept = {name: (getattr(row, name), None) for name in FIELDS}
    audit.record(by, "removed relay domain", row, kept)
    row.delete()
    publish_on_commit(Topic.ROUTES, key, durable=True)


def _set(row: RelayDomain, values: Values) -> dict[str, tuple[Any, Any]]:
    changes = replace(row, values, fields=FIELDS)
    if row.host and not is_host(row.host):
        raise ValuesRefused((Problem("host", "must be a host name or an IP address"),))
    return changes


_memory: Memory[int, dict[str, RelayPolicy]] = Memory(limit=1)


def by_name(domain: str, *, cached_only: bool = False) -> RelayPolicy | None:
    """None: the domain is not relayed. Raises Cold if `cached_only` and nothing is in memory."""
    return _memory.ask(1, _read, cached_only=cached_only).get(domain)


def forget() -> None:
    """Called for each note on Topic.ROUTES."""
    _memory.clear()


def _read(_key: int) -> dict[str, RelayPolicy]:
    rows = RelayDomain.objects.filter(is_enabled=True)
    return {
        row.name: RelayPolicy(
            row.name, row.host, row.port, row.verify_recipients, row.one_recipient_at_a_time
        )
        for row in rows
    }
