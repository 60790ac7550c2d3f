"""Settings of the whole server that are one row of a table: read from memory, changed by service.

The row has the key 1; as long as there is none, the model's defaults hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from django.db import models, transaction

from domains.directory import Memory
from domains.values import replace, settable_fields
from events import audit
from events.audit import Actor
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


def forget_all() -> None:
    """Called for each note on Topic.SETTINGS."""
    for row in ALL.values():
        row.forget()
