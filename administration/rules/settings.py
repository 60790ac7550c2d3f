"""Undoing what was changed about the settings of the whole server."""

from __future__ import annotations

from functools import partial
from typing import Any

from accounts import loginprovider
from accounts.models import User
from accounts.permissions import Verb
from administration.rules.table import RULES, earlier, old_values, require, undoes
from certificates.settings import ACME
from domains import defaults
from domains.singlerow import ALL, SingleRow
from events import audit
from events.models import AuditEntry

DEFAULTS = "domains.domaindefaults"
PROVIDER = "accounts.loginprovider"

assert ACME.name in ALL  # importing the rooms is what fills the table


def _settings(row: SingleRow[Any], entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    values = old_values(entry, row.load())
    if values:
        row.change(values, by=by)
    return bool(values)


for _row in ALL.values():
    RULES[_row.model._meta.label_lower, f"changed {_row.name} settings"] = partial(_settings, _row)


@undoes(PROVIDER, "changed login provider")
def changed_login_provider(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = loginprovider.read()
    plain = {
        name: audit.plain(getattr(row, name)) for name in entry.changes if name not in audit.SECRETS
    }
    values = earlier(entry, plain)
    if values:
        loginprovider.change(values=values, by=by)
    return bool(values)


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
