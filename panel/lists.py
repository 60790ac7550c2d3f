"""The list that all table pages are: filtered, sorted and paged by the server, exported as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from panel import csvfiles

M = TypeVar("M", bound=Model)

PAGE_SIZES = (25, 50, 100, 200)
# Further rows are neither counted nor paged to: whoever looks for one of them filters.
COUNTED = 100_000
# How many pages stand on each side of the current one.
NEIGHBOURS = 2
LONGEST_FILTER = 200


@dataclass(frozen=True, slots=True)
class Column:
    """`order`: the field to sort by, empty if it cannot be; `value`: what the CSV file says."""

    label: str
    order: str = ""
    value: Callable[[Any], object] | None = None
    is_number: bool = False
    unit: str = ""  # of the value in the file, such as "UTC" or "MB"; pages say it in each cell

    @property
    def file_label(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class Pill:
    """A ready-made filter. The first one of a list shows all."""

    key: str
    label: str
    condition: Q


@dataclass(frozen=True, slots=True)
class BulkAction:
    """A button for the checked rows: a POST to `url` with `selected`, or `all_matching`."""

    label: str
    icon: str
    url: str
    is_danger: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str
    is_active: bool = False
    direction: str = ""  # "up" or "down", of the column by which the list is sorted


class Listing(Generic[M]):
    """One list as one request asks for it: `?q=&show=&sort=&page=&size=`.

    Subclasses name the columns; `rows_template` writes one `<tr>` for each of `listing.rows`.
    """

    singular: ClassVar[str]
    plural: ClassVar[str]
    columns: ClassVar[Sequence[Column]]
    rows_template: ClassVar[str]
    sorted_by: ClassVar[str]  # a field, with "-" before it for the largest first
    searched: ClassVar[Sequence[str]] = ()  # look-ups, such as "name__icontains"
    pills: ClassVar[Sequence[Pill]] = ()
    identity: ClassVar[str] = "pk"  # what a checkbox says of its row
    empty_title: ClassVar[str] = ""  # "No domains yet" without
    empty_text: ClassVar[str] = ""
    empty_page: ClassVar[str] = ""  # the name of a page that helps on, where it opens
    empty_page_label: ClassVar[str] = ""
    page_template: ClassVar[str] = "panel/list/page.html"
    table_template: ClassVar[str] = "panel/list/table.html"
    title: ClassVar[str] = ""
    counts_to: ClassVar[int] = COUNTED
    # No: no index sorts it, so that more rows than are counted stand in the order of their keys.
    sorts_any_number: ClassVar[bool] = True
    add_url: str = ""  # where the first row can be made
    full: str = ""  # why there can be no further row; then the button for one is disabled

    def __init__(
        self, request: HttpRequest, rows: QuerySet[M], *, actions: Sequence[BulkAction] = ()
    ) -> None:
        self._request = request
        self._all = rows
        self.actions = actions
        given = request.GET
        self.query = given.get("q", "").strip().replace("\0", "")[:LONGEST_FILTER]
        self.pill = next((p for p in self.pills if p.key == given.get("show")), None)
        self.sort = self._sort(given.get("sort", ""))
        size = _number(given.get("size"), PAGE_SIZES[1])
        self.size = size if size in PAGE_SIZES else PAGE_SIZES[1]
        self._page = _number(given.get("page"), 1)

    # --- rows --------------------------------------------------------------------------------

    @cached_property
    def matching(self) -> QuerySet[M]:
        """Every row that the filters leave, sorted."""
        rows = self._filtered
        # The key settles who comes first among equals, so that no row shows on two pages.
        return rows.order_by("pk") if self.is_unsorted else rows.order_by(self.sort, "pk")

    @cached_property
    def _filtered(self) -> QuerySet[M]:
        rows = self._all
        if self.pill is not None:
            rows = rows.filter(self.pill.condition)
        return rows.filter(self.search(self.query)) if self.query else rows

    def search(self, query: str) -> Q:
        """What the filter box means; nothing in it may make one row two."""
        found = Q()
        for look_up in self.searched:
            found |= Q(**{look_up: query})
        return found

    @cached_property
    def total(self) -> int:
        # Of the keys alone: what a row shows besides is not computed to be counted.
        return self._filtered.order_by().values("pk")[: self.counts_to + 1].count()

    @property
    def is_capped(self) -> bool:
        return self.total > self.counts_to

    @property
    def is_unsorted(self) -> bool:
        """Too many to be sorted while somebody waits: a filter makes them fewer."""
        return not self.sorts_any_number and self.is_capped

    @property
    def counted(self) -> int:
        return min(self.total, self.counts_to)

    @cached_property
    def page(self) -> int:
        return max(1, min(self._page, self.pages))

    @cached_property
    def pages(self) -> int:
        return -(-self.counted // self.size) or 1

    @cached_property
    def rows(self) -> list[M]:
        start = (self.page - 1) * self.size
        end = start + self.size
        if self.page == 1 and self.sort == self.sorted_by and self.sorts_any_number:
            return list(self.matching[start:end])
        # Deep in a list, or in an order without an index: keys are sorted faster than whole rows.
        keys = list(self.matching.values_list("pk", flat=True)[start:end])
        found = {row.pk: row for row in self._all.filter(pk__in=keys)}
        return [found[key] for key in keys if key in found]

    @property
    def nouns(self) -> str:
        """For the filter `plural`."""
        return f"{self.singular},{self.plural}"

    @property
    def first(self) -> int:
        return (self.page - 1) * self.size + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def is_filtered(self) -> bool:
        return bool(self.query) or self.pill is not None

    def selected(self) -> QuerySet[M]:
        """The rows a bulk action was asked for: checked ones, all that match, or `only` one."""
        given = self._request.POST
        if "only" not in given and given.get("all_matching"):
            return self.matching
        names = [given["only"]] if "only" in given else given.getlist("selected")
        if self.identity == "pk":
            names = [each for each in names if _is_key(each)]
        return self._all.filter(**{f"{self.identity}__in": names})

    # --- links -------------------------------------------------------------------------------

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The state of the list without its page, as it stands in addresses."""
        found = {"q": self.query, "show": self.pill.key if self.pill else ""}
        found["sort"] = "" if self.sort == self.sorted_by else self.sort
        found["size"] = "" if self.size == PAGE_SIZES[1] else str(self.size)
        return {name: value for name, value in found.items() if value}

    def url(self, **changes: object) -> str:
        """The address of the same list with some parameters changed; an empty one is left out."""
        merged = {**self.parameters, **{name: str(value) for name, value in changes.items()}}
        text = urlencode({name: value for name, value in merged.items() if value})
        return f"?{text}" if text else self._request.path

    @property
    def state(self) -> str:
        """The parameters as text, for the address of a bulk action on all that match."""
        return urlencode(self.parameters)

    @property
    def heads(self) -> list[tuple[Column, Link]]:
        return [(column, self._head(column)) for column in self.columns]

    @property
    def pill_links(self) -> list[Link]:
        shown = self.pill or (self.pills[0] if self.pills else None)
        return [
            Link(
                pill.label, self.url(show="" if pill is self.pills[0] else pill.key), pill is shown
            )
            for pill in self.pills
        ]

    @property
    def page_links(self) -> list[Link]:
        """Neighbours of the page, the first and the last; an empty label is a gap."""
        near = range(self.page - NEIGHBOURS, self.page + NEIGHBOURS + 1)
        numbers = sorted({1, self.pages, *(n for n in near if 1 <= n <= self.pages)})
        links: list[Link] = []
        for before, number in zip([0, *numbers], numbers, strict=False):
            if number > before + 1:
                links.append(Link("", ""))
            links.append(Link(str(number), self._page_url(number), number == self.page))
        return links

    @property
    def size_links(self) -> list[Link]:
        return [
            Link(str(size), self.url(size="" if size == PAGE_SIZES[1] else size), size == self.size)
            for size in PAGE_SIZES
        ]

    @property
    def previous_url(self) -> str:
        return self._page_url(self.page - 1) if self.page > 1 else ""

    @property
    def next_url(self) -> str:
        return self._page_url(self.page + 1) if self.page < self.pages else ""

    @property
    def export_url(self) -> str:
        return self.url(format="csv")

    # --- answers -----------------------------------------------------------------------------

    def response(self, **context: object) -> HttpResponseBase:
        """The page; only its table for htmx; a file for `?format=csv`."""
        if self._request.GET.get("format") == "csv":
            exported = [column for column in self.columns if column.value is not None]
            return csvfiles.response(
                f"{self.plural.replace(' ', '-')}.csv",
                [column.file_label for column in exported],
                (
                    [column.value(row) for column in exported if column.value]
                    for row in self._each()
                ),
            )
        is_part = self._request.headers.get("HX-Target") == "list"
        template = self.table_template if is_part else self.page_template
        answer: HttpResponse = render(
            self._request, template, {"listing": self, "is_part": is_part, **context}
        )
        # One address, two contents: neither may be taken for the other from a cache.
        answer.headers["Vary"] = f"{answer.headers.get('Vary', 'Cookie')}, HX-Target"
        return answer

    def _each(self) -> Any:
        return self.matching.iterator(chunk_size=1000)

    def _sort(self, wanted: str) -> str:
        fields = {column.order for column in self.columns if column.order}
        return wanted if wanted.removeprefix("-") in fields else self.sorted_by

    def _head(self, column: Column) -> Link:
        if not column.order:
            return Link(column.label, "")
        is_sorted = self.sort.removeprefix("-") == column.order
        is_up = is_sorted and not self.sort.startswith("-")
        wanted = f"-{column.order}" if is_up else column.order
        direction = ("up" if is_up else "down") if is_sorted else ""
        url = self.url(sort="" if wanted == self.sorted_by else wanted)
        return Link(column.label, url, is_sorted, direction)

    def _page_url(self, number: int) -> str:
        return self.url(page="" if number == 1 else number)


def _number(text: str | None, otherwise: int) -> int:
    """A number as it may stand in an address; anything else is `otherwise`."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 9:
        return otherwise
    return int(text)


def _is_key(text: str) -> bool:
    """Whether a database could have a row of that number."""
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 2**63
