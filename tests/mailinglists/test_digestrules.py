from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailinglists import digestrules
from mailinglists.digestrules import Candidate, Terms

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def waiting(*sizes_kb: int, hours: float = 0) -> list[Candidate]:
    at = NOW - timedelta(hours=hours)
    return [Candidate(n, kb * 1024, at + timedelta(seconds=n)) for n, kb in enumerate(sizes_kb)]


def due(candidates: list[Candidate], terms: Terms) -> list[int]:
    return [one.post_id for one in digestrules.edition(candidates, terms, now=NOW)]


@pytest.mark.spec("L-010")
def test_a_number_of_posts_makes_a_digest_of_so_many():
    assert due(waiting(1, 1), Terms(0, 3, 0)) == []
    assert due(waiting(1, 1, 1), Terms(0, 3, 0)) == [0, 1, 2]
    assert due(waiting(1, 1, 1, 1), Terms(0, 3, 0)) == [0, 1, 2]


@pytest.mark.spec("L-010")
def test_so_many_kilobytes_make_a_digest():
    assert due(waiting(40, 40), Terms(0, 0, 100)) == []
    assert due(waiting(40, 40, 40, 40), Terms(0, 0, 100)) == [0, 1, 2]
    assert due(waiting(400), Terms(0, 0, 100)) == [0]


@pytest.mark.spec("L-010")
def test_no_post_waits_longer_than_the_hours():
    assert due(waiting(1, 1, hours=23), Terms(24, 50, 100)) == []
    assert due(waiting(1, 1, hours=25), Terms(24, 50, 100)) == [0, 1]


def test_what_comes_first_counts():
    assert due(waiting(60, 60, 1, hours=30), Terms(24, 3, 100)) == [0, 1]


def test_a_list_that_sets_none_of_them_makes_none():
    assert due(waiting(10_000, 1, hours=999), Terms(0, 0, 0)) == []


def test_a_digest_never_grows_beyond_what_memory_has_room_for():
    assert len(due(waiting(*[1] * 500, hours=99), Terms(1, 0, 0))) == digestrules.MOST_POSTS
    assert due(waiting(15_000, 15_000, hours=99), Terms(1, 0, 0)) == [0]
    assert due(waiting(50_000, 1, hours=99), Terms(1, 0, 0)) == [0]


@given(
    st.lists(st.integers(0, 500), max_size=40),
    st.integers(0, 200),
    st.builds(Terms, st.integers(0, 48), st.integers(0, 20), st.integers(0, 300)),
)
def test_a_digest_is_always_the_oldest_posts(sizes: list[int], hours: int, terms: Terms):
    candidates = waiting(*sizes, hours=hours)
    found = digestrules.edition(candidates, terms, now=NOW)
    assert list(found) == candidates[: len(found)]
