"""Mail fetched by POP3 from a running server (N-060, N-062, M-015)."""

from __future__ import annotations

import pytest

from tests.retrieval import fetching
from tests.retrieval.fetching import add, fetch, letter, put, subjects, visited

pytestmark = pytest.mark.spec("N-060", lacks="filters of fetched mail")


def test_new_mail_comes_once_and_stays_there(server):
    fetching.open_domain(server, "pop1.example", "reader", "old")
    put(server, "old@pop1.example", letter("first"), letter("second"))
    number = add(server, "reader@pop1.example", "pop3", "old@pop1.example")
    assert visited(server, number)["last_count"] == 2
    assert subjects(server, "reader@pop1.example") == ["first", "second"]
    put(server, "old@pop1.example", letter("third"))
    found = fetch(server, number)
    assert (found["last_count"], found["last_error"], found["failures"]) == (1, "", 0)
    assert fetch(server, number)["last_count"] == 0
    assert subjects(server, "reader@pop1.example") == ["first", "second", "third"]
    assert fetching.left_by_pop(server, "old@pop1.example") == 3
