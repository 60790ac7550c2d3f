"""Undoing what was changed about an alias or a catch-all."""

from __future__ import annotations

from typing import Any

from accounts import aliases
from accounts.models import CATCH_ALL, User, UserAlias
from accounts.permissions import Verb
from administration.errors import GoneSince, MovedOn
from administration.rules.table import earlier, require, undoes
from domains import selectors
from domains.models import Domain
from events import audit
from events.models import AuditEntry

ALIAS = "accounts.useralias"


@undoes(ALIAS, "added alias")
def added(entry: AuditEntry, by: User | None) -> bool:
    alias = UserAlias.objects.select_related("domain").filter(pk=entry.object_id or 0).first()
    if alias is None:
        return False
    _require(by, alias.local_part, selectors.locked(alias.domain_id))
    targets = aliases.normal_targets(alias.domain, entry.changes["targets"][1])
    if sorted(aliases.target_names(alias)) != sorted(targets):
        raise MovedOn("where the alias leads", ", ".join(targets), _targets(alias))
    aliases.delete_alias(alias=alias, by=by)
    return True


@undoes(ALIAS, "changed alias")
def changed(entry: AuditEntry, by: User | None) -> bool:
    alias = UserAlias.objects.select_related("domain").filter(pk=entry.object_id or 0).first()
    if alias is None:
        raise GoneSince(f"the alias {entry.object_name}")
    _require(by, alias.local_part, selectors.locked(alias.domain_id))
    current: dict[str, Any] = {
        name: audit.plain(getattr(alias, name)) for name in entry.changes if name != "targets"
    }
    values = earlier(entry, current | {"targets": aliases.target_names(alias)})
    targets = values.pop("targets", None)
    if values or targets is not None:
        aliases.change_alias(alias=alias, targets=targets, values=values, by=by)
    return bool(values) or targets is not None


@undoes(ALIAS, "deleted alias")
def deleted(entry: AuditEntry, by: User | None) -> bool:
    """It comes back with a new key, and only where it was itself a target it is missed."""
    domain = Domain.objects.filter(pk=entry.domain_id or 0).first()
    if domain is None:
        raise GoneSince(f"the domain of {entry.object_name}")
    domain = selectors.locked(domain.pk)
    local_part = entry.object_name.rpartition("@")[0]
    _require(by, local_part, domain)
    targets = entry.changes["targets"][0]
    existing = UserAlias.objects.filter(domain=domain, local_part=local_part).first()
    # An alias that went as it led nowhere any more comes back with what it led to.
    if existing is not None and sorted(targets) in ([], sorted(aliases.target_names(existing))):
        return False
    values = {name: old for name, (old, _) in entry.changes.items() if name != "targets"}
    aliases.add_alias(domain=domain, name=local_part, targets=targets, values=values, by=by)
    return True


def _require(by: User | None, local_part: str, domain: Domain) -> None:
    is_catch_all = local_part == CATCH_ALL
    require(by, Verb.CHANGE_CATCH_ALL if is_catch_all else Verb.CHANGE_ALIASES, domain)


def _targets(alias: UserAlias) -> str:
    return ", ".join(aliases.target_names(alias))
