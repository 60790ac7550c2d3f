"""SASLprep: one form for every way to type the same name or password. RFC 4013."""

from __future__ import annotations

import stringprep
import unicodedata
from collections.abc import Callable


class Prohibited(Exception):
    """The text holds characters that no name or password may have."""


# RFC 4013 §2.3, §2.5
_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def saslprep(text: str) -> str:
    """The prepared string. Raises Prohibited."""
    if text.isascii() and text.isprintable():
        return text
    mapped = (
        " " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", "".join(mapped))
    if any(table(c) for c in prepared for table in _PROHIBITED):
        raise Prohibited("a character is not allowed")
    _check_direction(prepared)
    return prepared


def _check_direction(prepared: str) -> None:
    """RFC 3454 §6: right-to-left text stands alone and at both ends."""
    if not any(map(stringprep.in_table_d1, prepared)):
        return
    if any(map(stringprep.in_table_d2, prepared)):
        raise Prohibited("two writing directions are mixed")
    if not (stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])):
        raise Prohibited("right-to-left text has loose ends")
