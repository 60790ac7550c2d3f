"""The list of the spool as one request asks for it: filter, order, place and rows (S-010…S-016)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from accounts.models import User
from panel.lists import Link
from spool import selectors
from spool.listing import Column, Cursor, CursorMalformed, Page, View
from spool.searchbox import FilterMalformed, read_filter
from spool.selection import ANYTHING, SpoolFilter, Status
from spool.selectors import ROW_CHOICES, STANDARD_ROWS

ROWS_COOKIE = "spool-rows"
ROWS_SECONDS = 365 * 24 * 3600
REFRESH_SECONDS = (10, 30, 60)

HEADS = (
    ("File name", Column.FILE_NAME),
    ("Sender", Column.SENDER),
    ("Size", Column.SIZE),
    ("Recipients", Column.RECIPIENTS),
    ("In spool", Column.TIME_IN_SPOOL),
    ("Attempts", Column.ATTEMPTS),
    ("Next attempt", Column.NEXT_ATTEMPT),
    ("Status", Column.STATUS),
    ("Priority", Column.PRIORITY),
    ("Spool path", Column.SPOOL_PATH),
)
REMOVED_AT = ("Removed at", Column.REMOVED_AT)  # S-060
_PATHS = {
    View.ALL: "panel:spool",
    View.WAITING: "panel:spool-waiting",
    View.QUARANTINE: "panel:quarantine",
}
# S-014: by creation, the oldest first.
STANDARD_SORT = "-time_in_spool"
# What goes first stands first.
QUARANTINE_SORT = "removed_at"
NUMBERS = (Column.SIZE, Column.ATTEMPTS)


@dataclass(frozen=True, slots=True)
class Head:
    label: str
    link: Link
    is_number: bool


class SpoolList:
    """`?q=&sort=&rows=&at=&refresh=`; nonsense in any of them is as if it were not there."""

    def __init__(self, given: QueryDict, *, view: View, remembered: str, actor: User) -> None:
        self.view = view
        self._actor = actor
        self.query = given.get("q", "").strip().replace("\0", "")[:1000]
        self.problem = ""
        self.filter = self._filter()
        self.sort = self._sort(given.get("sort", ""))
        self.rows_wanted = _choice(given.get("rows") or remembered, ROW_CHOICES, STANDARD_ROWS)
        self.refresh_seconds = _choice(given.get("refresh", ""), REFRESH_SECONDS, 0)
        self._place = given.get("at", "")

    @classmethod
    def of(cls, request: HttpRequest, view: View, actor: User) -> SpoolList:
        remembered = request.COOKIES.get(ROWS_COOKIE, "")
        return cls(request.GET, view=view, remembered=remembered, actor=actor)

    # --- rows --------------------------------------------------------------------------------

    @property
    def column(self) -> Column:
        return self._columns[self.sort.removeprefix("-")]

    @property
    def shows_quarantine(self) -> bool:
        return self.view is View.QUARANTINE

    @property
    def _heads(self) -> tuple[tuple[str, Column], ...]:
        return (*HEADS[:5], REMOVED_AT, *HEADS[5:]) if self.shows_quarantine else HEADS

    @property
    def _columns(self) -> dict[str, Column]:
        return {column.name.lower(): column for _, column in self._heads}

    def page(self, *, now: datetime) -> Page:
        """Without rows if the filter says nothing that can be looked for."""
        if self.problem:
            return Page([], 0, True, None, None)
        return selectors.page(
            self._actor,
            now=now,
            filter=self.filter,
            view=self.view,
            column=self.column,
            descending=self.sort.startswith("-"),
            rows=self.rows_wanted,
            cursor=self._cursor,
        )

    @property
    def may_act_on_all(self) -> bool:
        """Whether "all that match" can be said in one filter; waiting is none (S-021)."""
        if self.problem:
            return False
        if self.shows_quarantine:
            return self.filter.status in (None, Status.QUARANTINE)
        return self.view is View.ALL

    @property
    def meant(self) -> SpoolFilter:
        """All that match, as a verb gets it."""
        if self.shows_quarantine:
            return replace(self.filter, status=Status.QUARANTINE)
        return self.filter

    # --- links -------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        return reverse(_PATHS[self.view])

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The state as it stands in addresses, without the place."""
        found = {"q": self.query, "sort": "" if self.sort == self._standard_sort else self.sort}
        found["rows"] = "" if self.rows_wanted == STANDARD_ROWS else str(self.rows_wanted)
        found["refresh"] = str(self.refresh_seconds) if self.refresh_seconds else ""
        return {name: value for name, value in found.items() if value}

    @property
    def state(self) -> str:
        """For the address of a verb, which leads back to this list."""
        place = {"at": self._place} if self._cursor else {}
        return urlencode({**self.parameters, **place, "view": self.view.value})

    def url(self, **changes: object) -> str:
        merged = {**self.parameters, **{name: str(value) for name, value in changes.items()}}
        text = urlencode({name: value for name, value in merged.items() if value})
        return f"{self.path}?{text}" if text else self.path

    def place_url(self, cursor: Cursor | None) -> str:
        return self.url(at=cursor.encode()) if cursor else ""

    @property
    def here_url(self) -> str:
        """S-015: the same page anew."""
        return self.url(at=self._place if self._cursor else "")

    @property
    def heads(self) -> list[Head]:
        return [
            Head(label, self._head(label, column), column in NUMBERS)
            for label, column in self._heads
        ]

    @property
    def row_links(self) -> list[Link]:
        return [
            Link(str(count), self.url(rows=count), count == self.rows_wanted)
            for count in ROW_CHOICES
        ]

    @property
    def refresh_links(self) -> list[Link]:
        wanted = self.refresh_seconds
        links = [Link("off", self.url(refresh=""), not wanted)]
        return links + [Link(f"{s} s", self.url(refresh=s), s == wanted) for s in REFRESH_SECONDS]

    # --- reading -----------------------------------------------------------------------------

    def _filter(self) -> SpoolFilter:
        try:
            return read_filter(self.query)
        except FilterMalformed as error:
            self.problem = f"“{error.word}”: {error.reason}."
            return ANYTHING

    def _sort(self, wanted: str) -> str:
        return wanted if wanted.removeprefix("-") in self._columns else self._standard_sort

    @property
    def _standard_sort(self) -> str:
        return QUARANTINE_SORT if self.shows_quarantine else STANDARD_SORT

    @cached_property
    def _cursor(self) -> Cursor | None:
        try:
            return Cursor.parse(self._place, self.column) if self._place else None
        except CursorMalformed:
            return None

    def _head(self, label: str, column: Column) -> Link:
        name = column.name.lower()
        is_sorted = self.sort.removeprefix("-") == name
        is_down = is_sorted and self.sort.startswith("-")
        wanted = name if is_down or not is_sorted else f"-{name}"
        direction = ("down" if is_down else "up") if is_sorted else ""
        return Link(label, self.url(sort=wanted), is_sorted, direction)


def _choice(text: str, choices: tuple[int, ...], otherwise: int) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < 6
    return int(text) if is_number and int(text) in choices else otherwise
