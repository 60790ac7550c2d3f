"""A finished report: a table with what its numbers mean, for every door to show in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from reports.series import Days
from units import moments, sizes

Cell = str | int | datetime | None


class Unit(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BYTES = "bytes"
    MOMENT = "moment"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Column:
    """`colour`: it is drawn, as bars of that colour."""

    key: str
    label: str
    unit: Unit = Unit.NUMBER
    colour: str = ""

    @property
    def is_number(self) -> bool:
        return self.unit in (Unit.NUMBER, Unit.BYTES, Unit.PERCENT)


@dataclass(frozen=True, slots=True)
class Report:
    """`about`: the domain or the address, empty for the server. `note` says what is counted."""

    kind: str
    title: str
    about: str
    days: Days
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""
    has_days: bool = True  # otherwise it is about now
    is_by_time: bool = True
    is_by_hour: bool = False
    has_totals: bool = True
    is_cut: bool = False  # there are more rows than are shown

    @property
    def heading(self) -> str:
        return f"{self.title} of {self.about}" if self.about else self.title

    @property
    def file_name(self) -> str:
        about = f"-{self.about}" if self.about else ""
        span = f"-{self.days.first}-{self.days.last}" if self.has_days else f"-{self.days.last}"
        return f"{self.kind}{about}{span}.csv".replace("@", "-at-").replace("/", "-")

    def totals(self) -> list[Cell]:
        """Of the columns that can be added up; empty without."""
        if not self.has_totals or len(self.rows) < 2:
            return []
        found: list[Cell] = []
        for place, column in enumerate(self.columns):
            is_sum = column.unit in (Unit.NUMBER, Unit.BYTES)
            found.append(sum(_number(row[place]) for row in self.rows) if is_sum else None)
        return found

    def for_file(self) -> tuple[list[str], Iterator[list[Cell]]]:
        """Heads and rows of a CSV file; bytes are as they are."""
        heads = [
            f"{column.label} (UTC)" if column.unit is Unit.MOMENT
            else f"{column.label} (bytes)" if column.unit is Unit.BYTES
            else column.label
            for column in self.columns
        ]  # fmt: skip
        return heads, (list(row) for row in self.rows)

    def as_plain(self) -> dict[str, Any]:
        """For JSON: moments as texts, bytes as they are."""
        return {
            "kind": str(self.kind),
            "title": self.title,
            "about": self.about,
            "first": self.days.first.isoformat(),
            "last": self.days.last.isoformat(),
            "columns": [
                {"key": one.key, "label": one.label, "unit": one.unit.value} for one in self.columns
            ],
            "rows": [[_plain(value) for value in row] for row in self.rows],
            "is_cut": self.is_cut,
        }

    def words(self, place: int, value: Cell) -> str:
        """One cell as people read it."""
        if value is None:
            return ""
        if isinstance(value, datetime):
            return self._moment(value)
        if isinstance(value, str):
            return value
        unit = self.columns[place].unit
        if unit is Unit.BYTES:
            return sizes.in_words(value)
        return f"{value:,}%" if unit is Unit.PERCENT else f"{value:,}"

    def _moment(self, value: datetime) -> str:
        if self.is_by_hour:
            return moments.in_words(value)
        # What is counted by day is counted by days of UTC, wherever the viewer lives.
        return f"{value:%Y-%m-%d}" if self.is_by_time else moments.day(value)


def _plain(value: Cell) -> str | int | None:
    return value.isoformat() if isinstance(value, datetime) else value


def _number(value: Cell) -> int:
    return value if isinstance(value, int) else 0
