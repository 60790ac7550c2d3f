"""What people type to find mail in the spool, read into a filter (S-016)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from blobs.errors import BadId
from blobs.ids import MAX_ID, decode_id
from spool.models import Origin
from spool.priority import HIGHEST, LOWEST
from spool.selection import SpoolFilter, Status

MOST_CHARACTERS = 1000
MOST_WORDS = 20
_AGE = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPOOL_ID = re.compile(r"[0-9a-zA-Z]{13}")
# Longer than any mail stays: later moments would have no id.
_LONGEST_AGE = timedelta(days=365)


class FilterMalformed(Exception):
    """A part of the text that says nothing about mail."""

    def __init__(self, word: str, reason: str) -> None:
        super().__init__(f"{word[:100]!r}: {reason}")
        self.word = word
        self.reason = reason


def read_filter(text: str) -> SpoolFilter:
    """Words and `key:value` pairs, separated by blanks. Raises FilterMalformed.

    Keys: sender (from), recipient (to), domain, destination, status, id, priority, older, younger
    (90s, 15m, 2h, 3d), origin, gateway. Other words are looked for in addresses.
    """
    if len(text) > MOST_CHARACTERS:
        raise FilterMalformed(text, f"more than {MOST_CHARACTERS} characters")
    found = SpoolFilter()
    words = text.split()
    if len(words) > MOST_WORDS:
        raise FilterMalformed(text, f"more than {MOST_WORDS} words")
    for word in words:
        found = _take(found, word)
    return found


def _take(found: SpoolFilter, word: str) -> SpoolFilter:
    key, colon, value = word.partition(":")
    field = _KEYS.get(key.lower()) if colon else None
    if field is None:
        if _SPOOL_ID.fullmatch(word) and any(map(str.isdigit, word)):
            try:
                return replace(found, message_id=decode_id(word))
            except BadId:
                pass
        return replace(found, words=(*found.words, word))
    if not value:
        raise FilterMalformed(word, "a value is missing")
    name, read = field
    return replace(found, **{name: read(word, value)})


def _text(_word: str, value: str) -> str:
    return value


def _lower(_word: str, value: str) -> str:
    return value.lower()


def _choice(choices: Any) -> Callable[[str, str], Any]:
    def read(word: str, value: str) -> Any:
        try:
            return choices(value.lower())
        except ValueError:
            known = ", ".join(str(choice.value) for choice in choices)
            raise FilterMalformed(word, f"one of {known}") from None

    return read


def _number(least: int, most: int) -> Callable[[str, str], int]:
    def read(word: str, value: str) -> int:
        is_number = value.isascii() and value.isdigit() and len(value) < 20
        if not is_number or not least <= int(value) <= most:
            raise FilterMalformed(word, f"a number from {least} to {most}")
        return int(value)

    return read


def _age(word: str, value: str) -> timedelta:
    match = _AGE.fullmatch(value)
    if match is None:
        raise FilterMalformed(word, "an age such as 90s, 15m, 2h or 3d")
    age = timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    if age > _LONGEST_AGE:
        raise FilterMalformed(word, f"at most {_LONGEST_AGE.days} days")
    return age


def _spool_id(word: str, value: str) -> int:
    try:
        return decode_id(value)
    except BadId as error:
        raise FilterMalformed(word, str(error)) from error


_Read = Callable[[str, str], Any]
_KEYS: dict[str, tuple[str, _Read]] = {
    "sender": ("sender", _text),
    "from": ("sender", _text),
    "recipient": ("recipient", _text),
    "to": ("recipient", _text),
    "domain": ("domain", _lower),
    "destination": ("destination", _lower),
    "status": ("status", _choice(Status)),
    "id": ("message_id", _spool_id),
    "file": ("message_id", _spool_id),
    "priority": ("priority", _number(LOWEST, HIGHEST)),
    "older": ("older_than", _age),
    "younger": ("younger_than", _age),
    "origin": ("origin", _choice(Origin)),
    "gateway": ("gateway_id", _number(1, MAX_ID)),
}
