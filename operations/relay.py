"""The networks whose machines may send without logging in: add, change, remove (G-040)."""

from __future__ import annotations

import ipaddress

from django.db import transaction

from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from domains.values import replace
from events import audit
from events.audit import Actor
from operations.errors import NetworkMalformed, NetworkTooWide
from operations.models import RelayNetwork
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

# G-041: nobody owns more than this, so a shorter prefix is a slip.
SHORTEST_PREFIX = {4: 8, 6: 16}

NOTE = b"relay networks"


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


@transaction.atomic
def add(*, network: str, by: Actor | None, note: str = "") -> RelayNetwork:
    """Raises NetworkMalformed, NetworkTooWide, ValuesRefused."""
    row = RelayNetwork(network=read_network(network), created_at=utc_now())
    replace(row, {"note": note}, fields=("note",))
    row, is_new = RelayNetwork.objects.get_or_create(
        network=row.network, defaults={"note": row.note, "created_at": row.created_at}
    )
    if not is_new:
        raise ValuesRefused((Problem("network", "is listed already"),))
    audit.record(by, "added relay network", row)
    publish_on_commit(Topic.SETTINGS, 0, NOTE, durable=True)
    return row


@transaction.atomic
def change(*, row: RelayNetwork, note: str, by: Actor | None) -> RelayNetwork:
    changes = replace(row, {"note": note}, fields=("note",))
    if changes:
        row.save(update_fields=list(changes))
        audit.record(by, "changed relay network", row, changes)
    return row


@transaction.atomic
def remove(*, row: RelayNetwork, by: Actor | None) -> None:
    """Its machines must log in from now on."""
    audit.record(by, "removed relay network", row, {"note": (row.note, None)})
    row.delete()
    publish_on_commit(Topic.SETTINGS, 0, NOTE, durable=True)
