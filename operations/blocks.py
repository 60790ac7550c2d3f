"""Who is kept out for now: seen, added by hand, lifted; asked by row where no memory is (M-050)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import permissions
from accounts.models import User
from accounts.permissions import Verb
from blobs.contention import tried_again
from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from domains.values import replace
from events import audit
from events.audit import Actor
from operations.addresses import exempt_networks, normal_network, own_addresses, party
from operations.listing import SERVICES, require_foreign
from operations.models import AbuseCount, BlacklistEntry, Block, WhitelistEntry
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

# What could not be told by then is no news any more.
WORTH_TELLING = timedelta(hours=6)


def standing(*, now: datetime | None = None) -> QuerySet[Block]:
    """Those whose time is not over."""
    now = now or utc_now()
    return Block.objects.filter(Q(until=None) | Q(until__gt=now)).select_related("rule")


def blocks_for(
    actor: User, *, service: str = "", kind: str = "", text: str = ""
) -> QuerySet[Block]:
    """The Current Blocks page: of one service (with those of all), one kind, one party (M-055).

    Raises NotPermitted.
    """
    permissions.require(actor, Verb.MANAGE_SERVER)
    rows = standing()
    if service:
        rows = rows.filter(service__in=("", service))
    if kind:
        rows = rows.filter(kind=kind)
    if text:
        rows = rows.filter(network__startswith=text)
    return rows


@tried_again
@transaction.atomic
def add(
    *,
    network: str,
    by: Actor | None,
    seconds: int,
    service: str = "",
    note: str = "",
) -> Block:
    """Block by hand for a while. Raises NetworkMalformed, OwnNetwork, ValuesRefused."""
    normal = normal_network(network)
    require_foreign(normal)
    if service and service not in SERVICES:
        raise ValuesRefused((Problem("service", f"must be one of {', '.join(SERVICES)}"),))
    if seconds < 1:
        raise ValuesRefused((Problem("seconds", "must be at least 1"),))
    row = Block.objects.select_for_update().filter(
        network=normal, service=service, account_id=None
    ).first() or Block(network=normal, service=service)
    replace(row, {"note": note}, fields=("note",))
    now = utc_now()
    row.rule, row.kind, row.hits = None, "", 0
    row.since, row.until = now, now + timedelta(seconds=seconds)
    row.save()
    audit.record(by, "added block", row, {"until": (None, row.until)})
    _publish(row)
    return row


@transaction.atomic
def lift(*, block: Block, by: Actor | None) -> None:
    """Let the party in at once; rules may block it again, from zero (M-056)."""
    names = ("service", "until", "note")
    kept = {name: (getattr(block, name), None) for name in names}
    audit.record(by, "lifted block", block, kept)
    subject = block.network or str(block.account_id)
    AbuseCount.objects.filter(subject=subject).delete()
    block.delete()
    _publish(block)


def untold(*, now: datetime) -> QuerySet[Block]:
    """Users who send too much, of whom nobody has been told yet (M-065)."""
    return Block.objects.filter(
        account_id__isnull=False, told_at=None, since__gt=now - WORTH_TELLING
    )


def forget_ended(*, now: datetime) -> int:
    """Delete blocks whose time is over; returns how many. Nobody is forgotten untold."""
    ended = Block.objects.filter(until__lte=now)
    return ended.exclude(pk__in=untold(now=now).values("pk")).delete()[0]


def is_barred(service: str, address: str) -> bool:
    """Whether an address may not come in, asked of the rows: for doors without a memory."""
    if not address:
        return False
    around = networks_around(address)
    candidates: Any = (*around, party(address))
    blocks = standing().filter(network__in=candidates, service__in=("", service), is_notice=False)
    listed = BlacklistEntry.objects.filter(network__in=around)
    is_barred = blocks.exists() or any(_covers(row.services, service) for row in listed)
    return is_barred and not is_exempt(address, service)


def is_exempt(address: str, service: str) -> bool:
    """Own, loopback, or on the whitelist: neither counted nor blocked. Asks the rows."""
    parsed = ipaddress.ip_address(address)
    networks = exempt_networks()
    if any(parsed in network for network in networks):
        return True
    if not parsed.is_loopback and address in own_addresses():
        return True
    listed = WhitelistEntry.objects.filter(network__in=networks_around(address))
    return any(_covers(row.services, service) for row in listed)


def networks_around(address: str) -> list[str]:
    """Every network that contains the address, as rows write them: 33 or 129."""
    alone = ipaddress.ip_network(address.partition("%")[0])
    wider = (str(alone.supernet(new_prefix=length)) for length in range(alone.prefixlen))
    return [str(alone.network_address), *wider]


def _covers(services: Sequence[str], service: str) -> bool:
    return not services or service in services


def _publish(block: Block) -> None:
    key = block.account_id or 0
    publish_on_commit(Topic.BLOCKS, key, block.network.encode(), durable=True)
