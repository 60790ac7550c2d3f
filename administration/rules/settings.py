"""Undoing what was changed about the whole server: settings, gateways, relay networks."""

from __future__ import annotations

from functools import partial
from typing import Any

from accounts.models import User
from accounts.permissions import Verb
from administration.errors import GoneSince
from administration.rules.table import RULES, earlier, old_values, require, undoes
from certificates.settings import ACME
from domains import defaults
from domains.singlerow import ALL, SingleRow
from events import audit
from events.models import AuditEntry
from operations import relay
from operations.models import RelayNetwork
from spool import gateways
from spool.models import Gateway

NETWORK, GATEWAY = "operations.relaynetwork", "spool.gateway"
DEFAULTS = "domains.domaindefaults"

assert ACME.name in ALL  # importing the rooms is what fills the table


def _settings(row: SingleRow[Any], entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    values = old_values(entry, row.load())
    if values:
        row.change(values, by=by)
    return bool(values)


for _row in ALL.values():
    RULES[_row.model._meta.label_lower, f"changed {_row.name} settings"] = partial(_settings, _row)


@undoes(DEFAULTS, "changed domain defaults")
def changed_defaults(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    current = {
        f"{part}.{name}": audit.plain(value)
        for part, values in defaults.current().items()
        for name, value in values.items()
    }
    values: dict[str, dict[str, Any]] = {}
    for field, old in earlier(entry, current).items():
        part, _, name = field.partition(".")
        values.setdefault(part, {})[name] = old
    if values:
        defaults.change(values=values, by=by)
    return bool(values)


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
        relay.change(row=row, note=values["note"], by=by)
    return bool(values)


@undoes(NETWORK, "removed relay network")
def removed_network(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    if RelayNetwork.objects.filter(network=entry.object_name).exists():
        return False
    note = entry.changes.get("note", [""])[0]
    relay.add(network=entry.object_name, note=note, by=by)
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
