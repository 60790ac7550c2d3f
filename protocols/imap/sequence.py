"""Sets of message numbers or UIDs. RFC 3501 §9 `sequence-set`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from protocols.imap.errors import Malformed

STAR: Final = 1 << 32  # one more than any number: the largest in use, whatever it is
MAX_RANGES: Final = 32_768

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Ranges in the client's order, each low to high; `*` is STAR until resolved."""

    ranges: tuple[Range, ...]

    @classmethod
    def parse(cls, text: bytes) -> SequenceSet:
        """Read `1,3:5,9:*`. Raises Malformed."""
        if text.isdigit():
            number = _number(text)
            return cls(((number, number),))
        pieces = text.split(b",", MAX_RANGES)
        if len(pieces) > MAX_RANGES:
            raise Malformed("Too many ranges in the set")
        return cls(tuple([_range(piece) for piece in pieces]))

    def resolve(self, largest: int) -> list[Range]:
        """Sorted ranges that neither overlap nor touch, with `largest` for `*`.

        `largest` is 0 when the folder is empty; then `*` stands for nothing. A range such as
        `9:*` above `largest` still holds `largest` (RFC 3501 §6.4.8).
        """
        found = []
        for low, high in self.ranges:
            if high == STAR:
                if not largest:
                    continue
                start = largest if low == STAR else low
                low, high = (start, largest) if start <= largest else (largest, start)
            found.append((low, high))
        return _merge(found) if len(found) > 1 else found

    def encode(self) -> bytes:
        return b",".join([_encode_range(low, high) for low, high in self.ranges])


SAVED_RESULT: Final = SequenceSet(())  # "$", the result of the last SEARCH with SAVE. RFC 5182


def encode_numbers(numbers: Iterable[int]) -> bytes:
    """Ascending numbers as the shortest set: `1:3,7`. Empty for none."""
    pieces: list[bytes] = []
    low = high = 0
    for number in numbers:
        if number == high + 1 and low:
            high = number
            continue
        if low:
            pieces.append(_encode_range(low, high))
        low = high = number
    if low:
        pieces.append(_encode_range(low, high))
    return b",".join(pieces)


def _merge(ranges: list[Range]) -> list[Range]:
    ranges.sort()
    merged = [ranges[0]]
    for low, high in ranges:
        last_low, last_high = merged[-1]
        if low > last_high + 1:
            merged.append((low, high))
        elif high > last_high:
            merged[-1] = (last_low, high)
    return merged


def _range(piece: bytes) -> Range:
    first, colon, last = piece.partition(b":")
    low = _number(first)
    if not colon:
        return low, low
    high = _number(last)
    return (low, high) if low <= high else (high, low)


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    if not text.isdigit() or len(text) > 10 or not 0 < (number := int(text)) < STAR:
        raise Malformed("Bad message set")
    return number


def _encode_range(low: int, high: int) -> bytes:
    if low == high:
        return _encode_number(low)
    return b"%b:%b" % (_encode_number(low), _encode_number(high))


def _encode_number(number: int) -> bytes:
    return b"*" if number == STAR else b"%d" % number
