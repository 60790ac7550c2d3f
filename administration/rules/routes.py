"""Undoing what was changed about ways out: gateways, relay domains and networks, where not to."""

from __future__ import annotations

from accounts import forwarding
from accounts.models import ForwardingBan, User
from accounts.permissions import Verb
from administration.errors import GoneSince
from administration.rules.serverrows import ServerRows, as_far_as_on_record
from administration.rules.table import earlier, kept, old_values, require, undoes
from events import audit
from events.models import AuditEntry
from operations import relay
from operations.models import RelayNetwork
from spool import gateways, relaydomains, singly
from spool.models import Gateway, RelayDomain, SingleDestination
from transport import overrides
from transport.models import TlsPolicyOverride

GATEWAY, OVERRIDE = "spool.gateway", "transport.tlspolicyoverride"
UNTIL_PASSWORD = "Its password is not kept: it is off until that is set."  # noqa: S105

ServerRows(
    model=RelayNetwork,
    noun="relay network",
    words="the network",
    key="network",
    add=relay.add,
    change=relay.change,
    remove=relay.remove,
    on_record=as_far_as_on_record(*relay.FIELDS),
).register()
ServerRows(
    model=RelayDomain,
    noun="relay domain",
    words="the relay domain",
    add=lambda name, by, **values: relaydomains.add(name=name, values=values, by=by),
    change=relaydomains.change,
    remove=relaydomains.remove,
).register()
ServerRows(
    model=ForwardingBan,
    noun="forwarding blacklist entry",
    words="the entry",
    add=forwarding.add,
    change=forwarding.change,
    remove=forwarding.remove,
    on_record=as_far_as_on_record("note"),
).register()
ServerRows(
    model=SingleDestination,
    noun="single-recipient destination",
    words="the entry",
    add=singly.add,
    change=singly.change,
    remove=singly.remove,
    on_record=as_far_as_on_record("note"),
).register()


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
