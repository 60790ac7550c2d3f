"""Undoing what was done to rows of the server that are named by one field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from accounts.models import User
from accounts.permissions import Verb
from administration.errors import GoneSince
from administration.rules.table import RULES, kept, old_values, require
from events.models import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRows:
    """`noun`: the row in the verbs of the audit trail; `words`: the row to people.

    `add` takes name, `by` and what stands on record of a row that was removed, `change` row, values
    and `by`, `remove` row and `by`.
    """

    model: type[Model]
    noun: str
    words: str
    key: str = "name"
    add: Callable[..., object]
    change: Callable[..., object]
    remove: Callable[..., object]
    on_record: Callable[[AuditEntry], dict[str, Any]] = kept

    def register(self) -> None:
        object_type = self.model._meta.label_lower
        RULES[object_type, f"added {self.noun}"] = self._added
        RULES[object_type, f"changed {self.noun}"] = self._changed
        RULES[object_type, f"removed {self.noun}"] = self._removed

    def _row(self, entry: AuditEntry) -> Any:
        return self.model._default_manager.filter(pk=entry.object_id or 0).first()

    def _added(self, entry: AuditEntry, by: User | None) -> bool:
        require(by, Verb.MANAGE_SERVER)
        row = self._row(entry)
        if row is not None:
            self.remove(row=row, by=by)
        return row is not None

    def _changed(self, entry: AuditEntry, by: User | None) -> bool:
        require(by, Verb.MANAGE_SERVER)
        row = self._row(entry)
        if row is None:
            raise GoneSince(f"{self.words} {entry.object_name}")
        values = old_values(entry, row)
        if values:
            self.change(row=row, values=values, by=by)
        return bool(values)

    def _removed(self, entry: AuditEntry, by: User | None) -> bool:
        require(by, Verb.MANAGE_SERVER)
        if self.model._default_manager.filter(**{self.key: entry.object_name}).exists():
            return False
        self.add(**{self.key: entry.object_name}, by=by, **self.on_record(entry))
        return True


def as_far_as_on_record(*names: str) -> Callable[[AuditEntry], dict[str, Any]]:
    """For rows that come back even where an old entry says nothing of these fields."""

    def found(entry: AuditEntry) -> dict[str, Any]:
        return {name: entry.changes[name][0] for name in names if name in entry.changes}

    return found
