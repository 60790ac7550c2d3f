"""Subscribers as lines of a CSV file, read without trust and written for spreadsheets (L-012)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from adminsite import csvfiles
from mailinglists.errors import FileRefused
from mailinglists.membership import NewSubscriber
from mailinglists.models import MailingList, Mode, Subscriber

LARGEST_FILE_BYTES = 20 * 1024 * 1024
MOST_LINES = 200_000
COLUMNS = ("address", "name", "mode", "state", "subscribed_at")
# What other programs and people call the same.
SYNONYMS = {
    "email": "address", "e-mail": "address", "mail": "address", "email address": "address",
    "full_name": "name", "display_name": "name",
}  # fmt: skip


def read(content: bytes) -> Iterator[NewSubscriber]:
    """Every line that is not empty, addresses unchecked. Raises FileRefused, at the first line or
    at any other.

    With a line of heads, or without: then the first column is the address, the second the name.
    """
    if len(content) > LARGEST_FILE_BYTES:
        raise FileRefused(f"The file is larger than {LARGEST_FILE_BYTES // 2**20} MB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused("The file is not UTF-8: save it as “CSV UTF-8”.") from None
    if "\0" in text:
        raise FileRefused("The file is no text.")
    try:
        yield from _rows(text)
    except csv.Error as error:
        raise FileRefused(f"The file is no CSV: {error}.") from None


def _rows(text: str) -> Iterator[NewSubscriber]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    places: dict[str, int] | None = None
    for number, cells in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter)):
        if number > MOST_LINES:
            raise FileRefused(f"The file has more than {MOST_LINES:,} lines.")
        if not any(cell.strip() for cell in cells):
            continue
        if places is None:
            heads = [_head(cell) for cell in cells]
            if "address" in heads:
                places = {name: heads.index(name) for name in COLUMNS if name in heads}
                continue
            places = {"address": 0, "name": 1}
        mode = _cell(cells, places, "mode").lower()
        yield NewSubscriber(
            _cell(cells, places, "address"),
            _cell(cells, places, "name"),
            Mode.DIGEST if mode == Mode.DIGEST else Mode.STANDARD,
        )


def lines(mailing_list: MailingList) -> Iterator[str]:
    """The whole list as a file, a row at a time."""
    rows = Subscriber.objects.filter(mailing_list=mailing_list).order_by("id")
    values = rows.values_list(*COLUMNS).iterator(chunk_size=1000)
    return csvfiles.lines(COLUMNS, values)


def _head(cell: str) -> str:
    name = cell.strip().lower()
    return SYNONYMS.get(name, name)


def _cell(cells: list[str], places: dict[str, int], name: str) -> str:
    place = places.get(name)
    if place is None or place >= len(cells):
        return ""
    text = cells[place].strip()
    # As csvfiles guards what a spreadsheet would take for a formula.
    return text[1:] if text.startswith("'") and text[1:2] in csvfiles.DANGEROUS else text
