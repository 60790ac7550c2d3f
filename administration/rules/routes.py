"""Undoing what was changed about ways out: gateways, relay domains and networks, where not to."""

from __future__ import annotations

from accounts import forwarding
from accounts.models import ForwardingBan, User
from accounts.permissions import Verb
from administration.errors import GoneSince
from administration.rules.table import earlier, kept, old_values, require, undoes
from events import audit
from events.models import AuditEntry
from operations import relay
from operations.models import RelayNetwork
from spool import gateways, relaydomains, singly
from spool.models import Gateway, RelayDomain, SingleDestination
from transport import overrides
from transport.models import TlsPolicyOverride

NETWORK, GATEWAY = "operations.relaynetwork", "spool.gateway"
RELAY, BAN = "spool.relaydomain", "accounts.forwardingban"
OVERRIDE = "transport.tlspolicyoverride"
SINGLE = "spool.singledestination"
UNTIL_PASSWORD = "Its password is not kept: it is off until that is set."  # noqa: S105


@undoes(NETWORK, "added relay network")
def added_network(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = RelayNetwork.objects.filter(pk=entry.object_id or 0).first()
    if row is not None:
        relay.remove(row=row, by=by)
    return row is not None


@undoes(NETWORK, "changed relay network")
def changed_network(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = RelayNetwork.objects.filter(pk=entry.object_id or 0).first()
    if row is None:
        raise GoneSince(f"the network {entry.object_name}")
    values = old_values(entry, row)
    if values:
        relay.change(row=row, values=values, by=by)
    return bool(values)


@undoes(NETWORK, "removed relay network")
def removed_network(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    if RelayNetwork.objects.filter(network=entry.object_name).exists():
        return False
    values = {name: old for name, (old, _) in entry.changes.items() if name in relay.FIELDS}
    relay.add(network=entry.object_name, by=by, **values)
    return True


@undoes(GATEWAY, "added gateway")
def added_gateway(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = Gateway.objects.filter(pk=entry.object_id or 0).first()
    if row is not None:
        gateways.delete(gateway=row, by=by)
    return row is not None


@undoes(GATEWAY, "changed gateway")
def changed_gateway(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = Gateway.objects.filter(pk=entry.object_id or 0).first()
    if row is None:
        raise GoneSince(f"the gateway {entry.object_name}")
    scope = gateways.scope_of(row)
    plain = {
        name: audit.plain(getattr(row, name))
        for name in entry.changes
        if name not in scope and name not in audit.SECRETS
    }
    values = earlier(entry, plain | scope)
    if not values:
        return False
    parts = {name: values.pop(name) for name in scope if name in values}
    gateways.change(gateway=row, values=values, by=by, **parts)
    return True


@undoes(GATEWAY, "deleted gateway")
def deleted_gateway(entry: AuditEntry, by: User | None) -> bool:
    """All but its password comes back; one that had a password is switched off without it."""
    require(by, Verb.MANAGE_SERVER)
    if Gateway.objects.filter(name=entry.object_name).exists():
        return False
    values = kept(entry)
    parts = {name: values.pop(name) for name in ("destinations", "sending_domains")}
    if "password" not in entry.changes:
        gateways.add(values=values, by=by, **parts)
        return True
    with audit.because(UNTIL_PASSWORD):
        gateways.add(values=values | {"is_enabled": False}, by=by, **parts)
    return True


@undoes(RELAY, "added relay domain")
def added_relay(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = RelayDomain.objects.filter(pk=entry.object_id or 0).first()
    if row is not None:
        relaydomains.remove(row=row, by=by)
    return row is not None


@undoes(RELAY, "changed relay domain")
def changed_relay(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = RelayDomain.objects.filter(pk=entry.object_id or 0).first()
    if row is None:
        raise GoneSince(f"the relay domain {entry.object_name}")
    values = old_values(entry, row)
    if values:
        relaydomains.change(row=row, values=values, by=by)
    return bool(values)


@undoes(RELAY, "removed relay domain")
def removed_relay(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    if RelayDomain.objects.filter(name=entry.object_name).exists():
        return False
    relaydomains.add(name=entry.object_name, values=kept(entry), by=by)
    return True


@undoes(BAN, "added forwarding blacklist entry")
def added_ban(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = ForwardingBan.objects.filter(pk=entry.object_id or 0).first()
    if row is not None:
        forwarding.remove(row=row, by=by)
    return row is not None


@undoes(BAN, "changed forwarding blacklist entry")
def changed_ban(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = ForwardingBan.objects.filter(pk=entry.object_id or 0).first()
    if row is None:
        raise GoneSince(f"the entry {entry.object_name}")
    values = old_values(entry, row)
    if values:
        forwarding.change(row=row, note=values["note"], by=by)
    return bool(values)


@undoes(BAN, "removed forwarding blacklist entry")
def removed_ban(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    if ForwardingBan.objects.filter(name=entry.object_name).exists():
        return False
    forwarding.add(name=entry.object_name, note=entry.changes.get("note", [""])[0], by=by)
    return True


@undoes(SINGLE, "added single-recipient destination")
def added_single(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = SingleDestination.objects.filter(pk=entry.object_id or 0).first()
    if row is not None:
        singly.remove(row=row, by=by)
    return row is not None


@undoes(SINGLE, "changed single-recipient destination")
def changed_single(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = SingleDestination.objects.filter(pk=entry.object_id or 0).first()
    if row is None:
        raise GoneSince(f"the entry {entry.object_name}")
    values = old_values(entry, row)
    if values:
        singly.change(row=row, note=values["note"], by=by)
    return bool(values)


@undoes(SINGLE, "removed single-recipient destination")
def removed_single(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    if SingleDestination.objects.filter(name=entry.object_name).exists():
        return False
    singly.add(name=entry.object_name, note=entry.changes.get("note", [""])[0], by=by)
    return True


@undoes(OVERRIDE, "added TLS policy override")
def added_override(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = TlsPolicyOverride.objects.filter(destination=entry.object_name).first()
    if row is not None:
        overrides.remove_override(destination=row.destination, by=by)
    return row is not None


@undoes(OVERRIDE, "changed TLS policy override")
def changed_override(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = TlsPolicyOverride.objects.filter(destination=entry.object_name).first()
    if row is None:
        raise GoneSince(f"the exception for {entry.object_name}")
    values = old_values(entry, row)
    if values:
        now = {"level": row.level, **values}
        overrides.set_override(destination=row.destination, by=by, **now)
    return bool(values)


@undoes(OVERRIDE, "removed TLS policy override")
def removed_override(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    if TlsPolicyOverride.objects.filter(destination=entry.object_name).exists():
        return False
    overrides.set_override(destination=entry.object_name, by=by, **kept(entry))
    return True
