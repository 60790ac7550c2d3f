"""Users as lines of a CSV file: what the columns are, and reading them without trust (U-024)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from accounts.models import Role, Status, User
from accounts.services import CONTACT_FIELDS
from domains.errors import Refused

LARGEST_FILE_BYTES = 2 * 1024 * 1024
MOST_LINES = 10_000

TRUE = frozenset({"yes", "true", "on", "1", "y"})
FALSE = frozenset({"no", "false", "off", "0", "n"})
SWITCHES = (
    "must_change_password",
    "password_locked",
    "hide_from_address_list",
    "disable_greylisting",
    "plus_addressing",
    "pop_access",
    "imap_access",
    "smtp_access",
    "webmail_access",
)
TEXTS = ("full_name", "reply_to", "time_zone", "language", *CONTACT_FIELDS)
COLUMNS = (
    "username", "password", "full_name", "status", "mailbox_size_mb", "administrator",
    *TEXTS[1:], *SWITCHES,
)  # fmt: skip
# What other programs and people call the same.
SYNONYMS = {
    "user_name": "username", "user": "username", "address": "username", "email": "username",
    "e-mail": "username", "name": "full_name", "display_name": "full_name",
    "quota_mb": "mailbox_size_mb", "is_administrator": "administrator",
}  # fmt: skip
# Before these a spreadsheet's file has an apostrophe, so that they begin no formula.
GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(eq=False)
class FileRefused(Refused):
    """The file as a whole cannot be read."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(slots=True)
class Line:
    """One user to be. `password` empty: none is set; `is_administrator` None: not said."""

    number: int  # in the file, as an editor counts
    username: str
    password: str = field(default="", repr=False)
    is_administrator: bool | None = None
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read(content: bytes) -> list[Line]:
    """Every line that is not empty; what is wrong with one stands in it. Raises FileRefused."""
    if len(content) > LARGEST_FILE_BYTES:
        raise FileRefused(f"The file is larger than {LARGEST_FILE_BYTES // 2**20} MB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused("The file is not UTF-8: save it as “CSV UTF-8”.") from None
    if "\0" in text:
        raise FileRefused("The file is no text.")
    try:
        return list(_lines(text))
    except csv.Error as error:
        raise FileRefused(f"The file is no CSV: {error}.") from None


def row_of(user: User) -> list[object]:
    """The columns of a user who is there; a password is never given out."""
    is_administrator = user.role == Role.DOMAIN_ADMINISTRATOR
    named = {"username": user.local_part, "password": "", "administrator": is_administrator}
    return [named[name] if name in named else getattr(user, name) for name in COLUMNS]


def _lines(text: str) -> Iterator[Line]:
    head = text.partition("\n")[0]
    # Spreadsheets in countries whose decimal sign is the comma part cells by semicolons.
    separator = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns = _columns(next(reader, []))
    count = 0
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        count += 1
        if count > MOST_LINES:
            raise FileRefused(f"The file has more than {MOST_LINES:,} users.")
        yield _line(reader.line_num, columns, cells)


def _columns(heads: list[str]) -> list[str]:
    names = [head.strip().lower().replace(" ", "_") for head in heads]
    names = [SYNONYMS.get(name, name) for name in names]
    if "username" not in names:
        raise FileRefused("The first line must name the columns, and one must be “username”.")
    for name in names:
        if name not in COLUMNS:
            raise FileRefused(f"There is no column “{name[:60]}”.")
        if names.count(name) > 1:
            raise FileRefused(f"The column “{name}” comes twice.")
    return names


def _line(number: int, columns: list[str], cells: list[str]) -> Line:
    found = {name: _bare(cell) for name, cell in zip(columns, cells, strict=False)}
    line = Line(number, found.pop("username", "").strip().lower())
    if len(cells) > len(columns):
        line.problems.append("It has more cells than the first line has columns.")
    line.password = found.pop("password", "")
    for name, text in found.items():
        _read_cell(line, name, text.strip())
    return line


def _read_cell(line: Line, name: str, text: str) -> None:
    """An empty cell says nothing: the default stays, or what a user has."""
    if not text:
        return
    try:
        value = _READERS[name](text)
    except ValueError as error:
        line.problems.append(f"{name}: {error}.")
        return
    if name == "administrator":
        line.is_administrator = value
    else:
        line.values[name] = value


def _switch(text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ValueError("must be yes or no")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError("must be a whole number")
    return int(text)


def _status(text: str) -> str:
    for status in Status:
        if text.lower() in (status.value, str(status.label).lower()):
            return status.value
    raise ValueError("must be enabled, disabled or receiving")


def _bare(cell: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from taking the cell for a formula."""
    is_guarded = cell.startswith("'") and cell[1:].lstrip(" ").startswith(GUARDED)
    return cell[1:] if is_guarded else cell


_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(TEXTS, str),
    **dict.fromkeys(SWITCHES, _switch),
    "administrator": _switch,
    "mailbox_size_mb": _number,
    "status": _status,
}
