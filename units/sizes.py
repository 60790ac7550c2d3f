"""Sizes in words: KB are 1,024 bytes, MB 1,048,576; rounded up, as X-001 wants them shown."""

from __future__ import annotations

KILOBYTE = 1024
MEGABYTE = 1024 * KILOBYTE
GIGABYTE = 1024 * MEGABYTE
TERABYTE = 1024 * GIGABYTE
# From so many of the smaller unit on, the larger one says it better.
LARGE = 10


def in_words(size_bytes: int) -> str:
    """ "3 KB", "1.2 MB", "750 MB", "5,120 MB", "12.5 GB": for people, never to compute with."""
    if size_bytes <= MEGABYTE - KILOBYTE:
        return f"{-(-size_bytes // KILOBYTE):,} KB"
    if size_bytes < LARGE * MEGABYTE:
        return f"{_tenths(size_bytes, MEGABYTE)} MB"
    if size_bytes < LARGE * GIGABYTE:
        return f"{-(-size_bytes // MEGABYTE):,} MB"
    if size_bytes < LARGE * TERABYTE:
        return f"{_tenths(size_bytes, GIGABYTE)} GB"
    return f"{_tenths(size_bytes, TERABYTE)} TB"


def in_kilobytes(kilobytes: int) -> str:
    """ "1,234 KB", for a column whose rows all have the one unit (S-024)."""
    return f"{kilobytes:,} KB"


def limit_in_words(limit_bytes: int) -> str:
    """As large as it was set, for limits are never rounded (X-001): "1,500 MB", "20 GB"."""
    if limit_bytes >= LARGE * GIGABYTE and limit_bytes % GIGABYTE == 0:
        return f"{limit_bytes // GIGABYTE:,} GB"
    for unit_bytes, unit in ((MEGABYTE, "MB"), (KILOBYTE, "KB")):
        if limit_bytes >= unit_bytes and limit_bytes % unit_bytes == 0:
            return f"{limit_bytes // unit_bytes:,} {unit}"
    return f"{limit_bytes:,} bytes"


def _tenths(size_bytes: int, unit_bytes: int) -> str:
    """With one decimal, if it is not 0."""
    tenths = -(-size_bytes * 10 // unit_bytes)
    whole, tenth = divmod(tenths, 10)
    return f"{whole:,}.{tenth}" if tenth else f"{whole:,}"
