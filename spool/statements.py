"""Pieces that the spool's SQL statements have in common."""

from __future__ import annotations

from collections.abc import Sequence


def marks(values: Sequence[object]) -> str:
    """As many places for values; never the values themselves."""
    return ", ".join(["%s"] * len(values))
