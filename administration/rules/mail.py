"""Undoing what was done to mail in the spool, and the standing rules that hold it."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from accounts.permissions import Verb
from administration.errors import CannotUndo, GoneSince
from administration.rules.table import kept, require, undoes
from clock.moments import utc_now
from domains.models import Domain
from events.models import AuditEntry
from spool import holding, undoing
from spool.holding import NewHoldRule
from spool.models import HoldRule, SpoolChange

HOLD_RULE, CHANGE = "spool.holdrule", "spool.spoolchange"
# Undoing is one transaction, in which nobody else writes.
MOST_MESSAGES = 5_000


@undoes(HOLD_RULE, "added hold rule")
def added_rule(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    row = HoldRule.objects.filter(pk=entry.object_id or 0).first()
    if row is not None:
        holding.remove_rule(rule=row, by=by, now=utc_now())
    return row is not None


@undoes(HOLD_RULE, "removed hold rule")
def removed_rule(entry: AuditEntry, by: User | None) -> bool:
    """It holds what fits now; what has left meanwhile has left."""
    require(by, Verb.MANAGE_SERVER)
    values = kept(entry)
    if "until" not in values:
        raise CannotUndo("what it held is not on record")
    name, until = values.pop("domain"), values.pop("until")
    domain = Domain.objects.filter(name=name).first() if name else None
    if name and domain is None:
        raise GoneSince(f"the domain {name}")
    moment = datetime.fromisoformat(until) if until else None
    if HoldRule.objects.filter(domain=domain, until=moment, **values).exists():
        return False
    new = NewHoldRule(domain=domain, until=moment, **values)
    holding.add_rule(new=new, by=by, now=utc_now())
    return True


@undoes(
    CHANGE,
    *(f"{verb.label.lower()} mail in the spool" for verb in SpoolChange.Verb),
)
def spool_change(entry: AuditEntry, by: User | None) -> bool:
    """By the spool's own undo, which leaves alone what has moved on since."""
    require(by, Verb.MANAGE_SERVER)
    change = SpoolChange.objects.filter(pk=entry.object_id or 0).first()
    of_rule = AuditEntry.objects.filter(operation=entry.operation, object_type=HOLD_RULE)
    stays_without = change is not None and change.verb == SpoolChange.Verb.QUARANTINE
    if not stays_without and of_rule.exists():
        return False  # the rule's own undoing lets go, or catches, what it holds
    if change is not None and change.undone_at is not None:
        return False
    if change is not None and change.done > MOST_MESSAGES:
        raise CannotUndo(f"it is about {change.done:,} messages: undo it on the spool's page")
    try:
        undoing.undo(change_id=entry.object_id or 0, by=by, now=utc_now())
    except undoing.NotUndoable as error:
        raise CannotUndo(error.reason) from None
    return True
