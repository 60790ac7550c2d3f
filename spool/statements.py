"""Pieces that the spool's SQL statements have in common."""

from __future__ import annotations

from collections.abc import Sequence


def padded(ids: Sequence[int]) -> list[int]:
    """`ids`, the last one repeated until their number is a power of two.

    As many different numbers of marks there are, as many statements the database has to plan and
    its driver to remember.
    """
    missing = (1 << max(len(ids) - 1, 0).bit_length()) - len(ids)
    last = list(ids[-1:])
    return [*ids, *last * missing]


def marks(values: Sequence[object]) -> str:
    """As many places for values; never the values themselves."""
    return ", ".join(["%s"] * len(values))
