"""What searches have read of a folder's messages, kept beside its UIDs for the next search."""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

MEMORY_BYTES = 64 << 20  # of all columns, roughly

Key = tuple[int, str]  # folder, and what the values are


@dataclass(frozen=True, slots=True)
class Column:
    """One value for each of the first `len(values)` UIDs."""

    uids: array[int]
    values: list[Any]
    weight: int  # bytes


class Columns:
    """The columns used last, within a limit. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._columns: OrderedDict[Key, Column] = OrderedDict()
        self._weight = 0

    def get(self, key: Key, uids: array[int], count: int) -> Column | None:
        """The column if it covers the first `count` of these very UIDs."""
        column = self._columns.get(key)
        if column is None or column.uids is not uids or len(column.values) < count:
            return None
        with self._lock:
            if key in self._columns:
                self._columns.move_to_end(key)
        return column

    def values_by_uid(self, key: Key) -> dict[int, Any]:
        """What is known from an earlier state of the folder; messages never change."""
        column = self._columns.get(key)
        # Expunged in between, so the arrays differ; a UID still means the same message.
        return {} if column is None else dict(zip(column.uids, column.values, strict=False))

    def keep(self, key: Key, uids: array[int], values: list[Any]) -> Column:
        weight = sum(len(v) if isinstance(v, str) else 0 for v in values) + 80 * len(values)
        column = Column(uids, values, weight)
        with self._lock:
            old = self._columns.pop(key, None)
            self._weight -= old.weight if old else 0
            if weight <= MEMORY_BYTES // 2:
                self._columns[key] = column
                self._weight += weight
            while self._weight > MEMORY_BYTES:
                _, oldest = self._columns.popitem(last=False)
                self._weight -= oldest.weight
        return column

    def clear(self) -> None:
        with self._lock:
            self._columns.clear()
            self._weight = 0


columns = Columns()
