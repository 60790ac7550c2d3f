"""The networks whose machines may send without logging in: add, change, remove (G-040)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from domains.values import replace
from events import audit
from events.audit import Actor
from operations.errors import NetworkMalformed, NetworkTooWide
from operations.models import RelayNetwork, RelayService, usual_services
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

# G-041: nobody owns more than this, so a shorter prefix is a slip.
SHORTEST_PREFIX = {4: 8, 6: 16}

NOTE = b"relay networks"
FIELDS = ("services", "note")


def read_network(text: str) -> str:
    """The normal form: an address alone as itself. Raises NetworkMalformed, NetworkTooWide."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise NetworkMalformed(text) from None
    if network.prefixlen < SHORTEST_PREFIX[network.version]:
        raise NetworkTooWide(str(network))
    is_alone = network.prefixlen == network.max_prefixlen
    return str(network.network_address if is_alone else network)


def read_services(names: Iterable[str]) -> list[str]:
    """In one order and each once, at least one. Raises ValuesRefused."""
    wanted = {name.strip().lower() for name in names if name.strip()}
    if unknown := wanted - set(RelayService.values):
        reason = f"{', '.join(sorted(unknown))} is none of {', '.join(RelayService.values)}"
        raise ValuesRefused((Problem("services", reason),))
    if not wanted:
        raise ValuesRefused((Problem("services", "at least one is needed"),))
    return [name for name in RelayService.values if name in wanted]


@transaction.atomic
def add(
    *, network: str, by: Actor | None, note: str = "", services: Sequence[str] | None = None
) -> RelayNetwork:
    """`services` None: where servers bring mail, alone.

    Raises NetworkMalformed, NetworkTooWide, ValuesRefused.
    """
    row = RelayNetwork(network=read_network(network), created_at=utc_now())
    chosen = usual_services() if services is None else read_services(services)
    replace(row, {"services": chosen, "note": note}, fields=FIELDS)
    defaults = {"services": row.services, "note": row.note, "created_at": row.created_at}
    row, is_new = RelayNetwork.objects.get_or_create(network=row.network, defaults=defaults)
    if not is_new:
        raise ValuesRefused((Problem("network", "is listed already"),))
    audit.record(by, "added relay network", row)
    publish_on_commit(Topic.SETTINGS, 0, NOTE, durable=True)
    return row


@transaction.atomic
def change(*, row: RelayNetwork, values: Mapping[str, Any], by: Actor | None) -> RelayNetwork:
    """Set the given ones of FIELDS. Raises ValuesRefused."""
    if "services" in values:
        values = {**values, "services": read_services(values["services"])}
    changes = replace(row, values, fields=FIELDS)
    if changes:
        row.save(update_fields=list(changes))
        audit.record(by, "changed relay network", row, changes)
        publish_on_commit(Topic.SETTINGS, 0, NOTE, durable=True)
    return row


@transaction.atomic
def remove(*, row: RelayNetwork, by: Actor | None) -> None:
    """Its machines must log in from now on."""
    kept = {name: (getattr(row, name), None) for name in FIELDS}
    audit.record(by, "removed relay network", row, kept)
    row.delete()
    publish_on_commit(Topic.SETTINGS, 0, NOTE, durable=True)
