"""Sizes in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from units import sizes
from units.sizes import GIGABYTE, KILOBYTE, MEGABYTE, TERABYTE

UNITS = {"KB": KILOBYTE, "MB": MEGABYTE, "GB": GIGABYTE, "TB": TERABYTE}


@pytest.mark.spec("X-001")
@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 KB"), (1, "1 KB"), (1024, "1 KB"), (1025, "2 KB"), (1023 * 1024, "1,023 KB"),
        (1023 * 1024 + 1, "1 MB"), (2**20, "1 MB"), (2**20 + 1, "1.1 MB"), (3 << 19, "1.5 MB"),
        (10 * 2**20 - 1, "10 MB"), (10 * 2**20 + 1, "11 MB"), (5 * 2**30, "5,120 MB"),
        (10 * 2**30, "10 GB"), (25 * 2**29, "12.5 GB"), (2**45, "32 TB"),
    ],
)  # fmt: skip
def test_a_size_is_rounded_up_in_units_of_1024(size: int, words: str) -> None:
    assert sizes.in_words(size) == words


@given(st.integers(0, 2**50))
def test_a_size_is_never_shown_smaller_than_it_is_nor_much_larger(size: int) -> None:
    number, unit = sizes.in_words(size).split()
    shown = float(number.replace(",", "")) * UNITS[unit]
    assert size <= shown + 1e-6 * shown
    assert shown <= size * 1.11 or shown - size < KILOBYTE


@pytest.mark.spec("X-001")
@pytest.mark.parametrize(
    ("megabytes", "words"),
    [(1, "1 MB"), (1_500, "1,500 MB"), (10_240, "10 GB"), (10_241, "10,241 MB")],
)
def test_a_limit_is_not_rounded(megabytes: int, words: str) -> None:
    assert sizes.limit_in_words(megabytes * MEGABYTE) == words
    assert sizes.limit_in_words(10_000 * KILOBYTE) == "10,000 KB"
