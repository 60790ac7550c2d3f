"""Taking back an operation: its entries one by one, the latest first, all of them or none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from accounts.models import User
from administration.errors import CannotUndo, Conflict, NothingToUndo, UndoRefused
from administration.rules import rule_for
from domains.errors import Refused
from events import audit
from events.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Undone:
    """What was taken back, and what was left because it has moved on."""

    entries: tuple[AuditEntry, ...]
    conflicts: tuple[Conflict, ...]
    operation: str  # of the entries that undoing has made: undo that one to have it back


@transaction.atomic
def undo(entries: Iterable[AuditEntry], *, by: User | None, skip_conflicts: bool = False) -> Undone:
    """Old values are set again by the services that changed them, with all they check.

    `by` None: whoever runs the server. Raises UndoRefused, in which case nothing was changed;
    with `skip_conflicts` only if nothing could be. Raises NothingToUndo.
    """
    done: list[AuditEntry] = []
    conflicts: list[Conflict] = []
    operation = audit.current_operation() or audit.new_operation()
    for entry in sorted(entries, key=lambda entry: entry.pk, reverse=True):
        try:
            if take_back(entry, by=by, operation=operation):
                done.append(entry)
        except Refused as error:
            conflicts.append(conflict_of(entry, error))
    if conflicts and (not skip_conflicts or not done):
        raise UndoRefused(tuple(conflicts))
    if not done:
        raise NothingToUndo
    return Undone(tuple(done), tuple(conflicts), operation)


def take_back(entry: AuditEntry, *, by: User | None, operation: str) -> bool:
    """One entry, under the name of `operation`; False: all is as before. Raises Refused."""
    with transaction.atomic(), audit.undoing(entry, operation=operation):
        # Of two who undo the same at once, the second one finds it as it was.
        list(AuditEntry.objects.select_for_update().filter(pk=entry.pk))
        return rule_for(entry)(entry, by)


def conflict_of(entry: AuditEntry, error: Refused) -> Conflict:
    return Conflict(entry.pk, f"{entry.verb} {entry.object_name}", str(error))


def rehearse(entries: Iterable[AuditEntry], *, by: User | None) -> tuple[Conflict, ...]:
    """What would be in the way; empty: `undo` would do it. Raises NothingToUndo."""
    try:
        with transaction.atomic():
            undo(entries, by=by)
            transaction.set_rollback(True)
    except UndoRefused as error:
        return error.conflicts
    return ()


def has_way_back(entry: AuditEntry) -> bool:
    """Whether undoing is to be offered; it may still be refused as things have moved on."""
    try:
        rule_for(entry)
    except CannotUndo:
        return False
    return True
