"""Undoing what was changed about who is let in: abuse rules, lists of networks, blocks."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from accounts.models import User
from accounts.permissions import Verb
from administration.errors import CannotUndo, GoneSince
from administration.rules.serverrows import ServerRows
from administration.rules.table import RULES, kept, old_values, require, undoes
from clock.moments import utc_now
from events.models import AuditEntry
from operations import blocks, listing, rules
from operations.models import AbuseRule, BlacklistEntry, Block, WhitelistEntry

RULE, BLOCK = "operations.abuserule", "operations.block"


@undoes(RULE, "added abuse rule")
def added_rule(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = AbuseRule.objects.filter(pk=entry.object_id or 0).first()
    if row is not None:
        rules.delete(rule=row, by=by)
    return row is not None


@undoes(RULE, "changed abuse rule")
def changed_rule(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = AbuseRule.objects.filter(pk=entry.object_id or 0).first()
    if row is None:
        raise GoneSince(f"the rule “{entry.object_name}”")
    values = old_values(entry, row)
    if values:
        rules.change(rule=row, values=values, by=by)
    return bool(values)


@undoes(RULE, "deleted abuse rule")
def deleted_rule(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    values = kept(entry)
    if AbuseRule.objects.filter(**values).exists():
        return False
    rules.add(values=values, by=by)
    return True


def _imported(model: Any, entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    if "created_at" not in entry.changes:
        raise CannotUndo("what was in the file is not on record")
    at = datetime.fromisoformat(entry.changes["created_at"][1])
    return listing.remove_imported(model, at=at, by=by) > 0


for _model in (BlacklistEntry, WhitelistEntry):
    ServerRows(
        model=_model,
        noun=str(_model._meta.verbose_name),
        words="the network",
        key="network",
        add=partial(listing.add, _model),
        change=listing.change,
        remove=listing.remove,
    ).register()
    RULES[_model._meta.label_lower, f"imported {_model._meta.verbose_name_plural}"] = partial(
        _imported, _model
    )


@undoes(BLOCK, "added block")
def added_block(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = Block.objects.filter(pk=entry.object_id or 0).first()
    if row is not None:
        blocks.lift(block=row, by=by)
    return row is not None


@undoes(BLOCK, "lifted block")
def lifted_block(entry: AuditEntry, by: User | None) -> bool:
    """It stands again as one made by hand, for the time that it had left."""
    require(by, Verb.MANAGE_SERVER)
    values = kept(entry)
    if values["until"] is None:
        raise CannotUndo("it was not for a time: what led to it is counted anew")
    seconds = int((datetime.fromisoformat(values["until"]) - utc_now()).total_seconds())
    if seconds < 1:
        raise CannotUndo("its time is over")
    service, note = values["service"], values["note"]
    if Block.objects.filter(network=entry.object_name, service=service).exists():
        return False
    blocks.add(network=entry.object_name, service=service, seconds=seconds, note=note, by=by)
    return True
