"""How a report stands on a page: its range of days, bars, table and file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.inactivity import Period
from clock.moments import utc_now
from panel import charts, csvfiles
from panel.charts import Chart
from reports.series import LONGEST_DAYS, Days
from reports.tables import Cell, Column, Report

USUAL_DAYS = 30
RANGES = ((1, "Today"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "A year"))
PERIODS = (
    (Period.DAYS_30, "30 days"),
    (Period.DAYS_90, "90 days"),
    (Period.MONTHS_6, "6 months"),
    (Period.MONTHS_12, "12 months"),
)
# Bars of a list that is no series of days: the first of them.
MOST_BARS = 40


class ShownCell(NamedTuple):
    text: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class ShownReport:
    """A report in the words of a page. The latest hour or day comes first."""

    report: Report

    @property
    def heads(self) -> tuple[Column, ...]:
        return self.report.columns

    @property
    def rows(self) -> Iterator[list[ShownCell]]:
        rows = self.report.rows
        for row in reversed(rows) if self.report.is_by_time else rows:
            yield self._line(row)

    @property
    def totals(self) -> list[ShownCell]:
        return self._line(self.report.totals())

    @property
    def drawn(self) -> list[Column]:
        return [column for column in self.report.columns if column.colour]

    @property
    def chart(self) -> Chart | None:
        """None if there is nothing to draw."""
        report = self.report
        rows = report.rows if report.is_by_time else report.rows[:MOST_BARS]
        series = [
            (column.label.lower(), f"bar-{column.colour}", [_number(row[place]) for row in rows])
            for place, column in enumerate(report.columns)
            if column.colour
        ]
        return charts.stacked([report.words(0, row[0]) for row in rows], series)

    @property
    def highest(self) -> str:
        """What the highest bar stands for."""
        chart, columns = self.chart, self.report.columns
        place = next((n for n, column in enumerate(columns) if column.colour), 0)
        return self.report.words(place, chart.top) if chart else ""

    def _line(self, row: Any) -> list[ShownCell]:
        columns = self.report.columns
        return [
            ShownCell(self.report.words(place, value), columns[place].is_number)
            for place, value in enumerate(row)
        ]


def context(request: HttpRequest, report: Report) -> dict[str, Any]:
    """For `panel/reports/part.html`."""
    return {
        "shown": ShownReport(report),
        "range": report.days,
        "ranges": RANGES,
        "periods": PERIODS if report.kind.endswith("-inactive") else (),
        "inactive": period_in(request),
        "today": utc_now().date(),
    }


def as_file(report: Report) -> HttpResponseBase:
    heads, rows = report.for_file()
    return csvfiles.response(report.file_name, heads, rows)


def days_in(request: HttpRequest) -> Days:
    """As chosen; what makes no sense becomes the usual range."""
    today = utc_now().date()
    usual = Days(today - timedelta(days=USUAL_DAYS - 1), today)
    days = request.GET.get("days", "")
    if days in {str(count) for count, _ in RANGES}:
        return Days(today - timedelta(days=int(days) - 1), today)
    try:
        first = date.fromisoformat(request.GET.get("from", ""))
        last = date.fromisoformat(request.GET.get("to", ""))
    except ValueError:
        return usual
    if not date(2000, 1, 1) <= first <= last <= today + timedelta(days=1):
        return usual
    return Days(max(first, last - timedelta(days=LONGEST_DAYS - 1)), last)


def period_in(request: HttpRequest) -> Period:
    text: Any = request.GET.get("inactive", "")
    return Period(text) if text in set(Period) else Period.DAYS_90


def _number(value: Cell) -> int:
    return value if isinstance(value, int) else 0
