"""Settings of the whole server that are one row of a table: read from memory, changed by service.

The row has the key 1; as long as there is none, the model's defaults hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from django.db import models, transaction
from django.db.models import QuerySet

from domains.directory import Memory
from domains.errors import ChangedMeanwhile, Problem, ValuesRefused
from domains.values import replace, settable_fields
from events import audit
from events.audit import Actor
from events.models import AuditEntry
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

KEY = 1

M = TypeVar("M", bound=models.Model)


class SingleRow(Generic[M]):
    """One model with one row. `check` raises ValuesRefused for what single fields cannot tell."""

    def __init__(
        self, model: type[M], name: str, check: Callable[[M], None] = lambda row: None
    ) -> None:
        self.model = model
        self.name = name
        self._check = check
        self._memory: Memory[int, M] = Memory(limit=1)
        ALL[name] = self

    def read(self, *, cached_only: bool = False) -> M:
        """The settings in force; not to be changed. Raises domains.directory.Cold."""
        return self._memory.ask(KEY, self._load, cached_only=cached_only)

    def load(self) -> M:
        """Fresh from the database."""
        return self._load(KEY)

    def change(self, values: Mapping[str, Any], *, by: Actor | None) -> M:
        """Set the given values; the others stay. Raises ValuesRefused."""
        with transaction.atomic():
            self.model._default_manager.get_or_create(pk=KEY)
            row = self.model._default_manager.select_for_update().get(pk=KEY)
            changes = replace(row, values, fields=settable_fields(self.model))
            if changes:
                self._check(row)
                row.save(update_fields=list(changes))
                audit.record(by, f"changed {self.name} settings", row, changes)
                publish_on_commit(Topic.SETTINGS, 0, self.name.encode(), durable=True)
                transaction.on_commit(self.forget)
        return row

    def forget(self) -> None:
        self._memory.clear()

    def _load(self, key: int) -> M:
        return self.model._default_manager.filter(pk=key).first() or self.model(pk=key)


ALL: dict[str, SingleRow[Any]] = {}


def history() -> QuerySet[AuditEntry]:
    """Every change of any of these settings, newest first."""
    labels = [row.model._meta.label_lower for row in ALL.values()]
    return AuditEntry.objects.filter(object_type__in=labels).order_by("-id")


def version() -> int:
    """Grows with every change of any of them."""
    return history().values_list("pk", flat=True).first() or 0


@transaction.atomic
def change_all(
    changes: Mapping[str, Mapping[str, Any]],
    *,
    by: Actor | None,
    expected_version: int | None = None,
) -> None:
    """Change several rows together or none of them; `changes` are values by a row's name.

    Raises ValuesRefused, whose fields are `name.field`, and ChangedMeanwhile if the settings have
    another version than expected.
    """
    for name in sorted(changes):
        model = ALL[name].model
        model._default_manager.get_or_create(pk=KEY)
        model._default_manager.select_for_update().get(pk=KEY)
    found = version()
    if expected_version is not None and expected_version != found:
        raise ChangedMeanwhile(expected_version, found)
    problems: list[Problem] = []
    for name in sorted(changes):
        try:
            ALL[name].change(changes[name], by=by)
        except ValuesRefused as error:
            problems += [Problem(f"{name}.{one.field}", one.reason) for one in error.problems]
    if problems:
        raise ValuesRefused(tuple(problems))


def forget_all() -> None:
    """Called for each note on Topic.SETTINGS."""
    for row in ALL.values():
        row.forget()
