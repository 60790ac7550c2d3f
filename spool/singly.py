"""Destinations that get each message once for every recipient: VERP, picky hosts (S-040, Z-08)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from domains.directory import Memory
from domains.errors import NameTaken
from domains.values import replace
from events import audit
from events.audit import Actor
from spool import gatewaychoice, relaydomains
from spool.gatewaychoice import GatewayPolicy
from spool.gateways import read_destination
from spool.models import SingleDestination
from spool.work import ClaimedRecipient
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic


@transaction.atomic
def add(*, name: str, by: Actor | None, note: str = "") -> SingleDestination:
    """`name`: a domain, or `.domain` for all below it.

    Raises NameMalformed, NameTaken, ValuesRefused.
    """
    row = SingleDestination(name=read_destination(name.strip()))
    replace(row, {"note": note}, fields=("note",))
    row, is_new = SingleDestination.objects.get_or_create(
        name=row.name, defaults={"note": row.note}
    )
    if not is_new:
        raise NameTaken(row.name)
    audit.record(by, "added single-recipient destination", row)
    publish_on_commit(Topic.ROUTES, row.pk, durable=True)
    return row


@transaction.atomic
def change(
    *, row: SingleDestination, values: Mapping[str, Any], by: Actor | None
) -> SingleDestination:
    """Its note can be set. Raises ValuesRefused."""
    if changes := replace(row, values, fields=("note",)):
        row.save(update_fields=list(changes))
        audit.record(by, "changed single-recipient destination", row, changes)
    return row


@transaction.atomic
def remove(*, row: SingleDestination, by: Actor | None) -> None:
    """Its recipients share transactions again, from the next claim on."""
    key = row.pk
    audit.record(by, "removed single-recipient destination", row, {"note": (row.note, None)})
    row.delete()
    publish_on_commit(Topic.ROUTES, key, durable=True)


def is_listed(domain: str, *, cached_only: bool = False) -> bool:
    """Raises Cold if `cached_only` and nothing is in memory."""
    names = _memory.ask(1, _read, cached_only=cached_only)
    if not names:
        return False
    if domain in names:
        return True
    labels = domain.split(".")
    return any("." + ".".join(labels[i:]) in names for i in range(1, len(labels)))


def goes_singly(destination: str, gateway: GatewayPolicy | None) -> bool:
    """Whether mail for this domain goes one recipient at a time, through `gateway` or directly."""
    if gateway is not None:
        is_switched = gateway.one_recipient_at_a_time
    else:
        relayed = relaydomains.by_name(destination)
        is_switched = relayed is not None and relayed.one_recipient_at_a_time
    return is_switched or is_listed(destination)


def may_go_singly(recipient: ClaimedRecipient) -> bool:
    """The same before its way is chosen: whether any way that it may take is so."""
    ways: Iterable[GatewayPolicy | None] = (None, *gatewaychoice.current())
    return any(goes_singly(recipient.destination, way) for way in ways)


def forget() -> None:
    """Called for each note on Topic.ROUTES."""
    _memory.clear()


_memory: Memory[int, frozenset[str]] = Memory(limit=1)


def _read(_key: int) -> frozenset[str]:
    return frozenset(SingleDestination.objects.values_list("name", flat=True))
