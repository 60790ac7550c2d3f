"""Rewritten senders: what is made comes back, and nothing else does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.address import Address
from protocols.srs import VALID_DAYS, NotRewritten, restore, rewrite

SECRET = b"s" * 32
OURS = "one.example"
local_parts = st.from_regex(r"[A-Za-z0-9._+=!-]{1,64}", fullmatch=True).filter(
    lambda text: not text.lower().startswith("srs")
)
days = st.integers(0, 100_000)


@given(local_parts, days, st.integers(0, VALID_DAYS))
@settings(max_examples=200)
def test_a_sender_comes_back_while_it_is_valid(local_part, day, later):
    sender = Address(local_part, "far.test")
    made = rewrite(sender, OURS, secret=SECRET, day=day)
    assert (made.domain, made.local_part[:5]) == (OURS, "SRS0=")
    assert restore(made.local_part, secret=SECRET, day=day + later) == sender


@given(st.text(max_size=300), days)
@settings(max_examples=200)
def test_anything_else_is_refused(text, day):
    for local_part in (text, f"SRS0={text}", f"SRS1={text}", f"SRS0=aaaaaaaa=aa={text}"):
        with pytest.raises(NotRewritten):
            restore(local_part, secret=SECRET, day=day)


def test_case_does_not_matter_on_the_way_back():
    made = rewrite(Address("Ann.B", "far.test"), OURS, secret=SECRET, day=20_000)
    assert restore(made.local_part.lower(), secret=SECRET, day=20_000).local_part == "ann.b"
    assert restore(made.local_part.upper(), secret=SECRET, day=20_000).domain == "far.test"


def test_an_old_one_or_one_of_another_secret_opens_nothing():
    made = rewrite(Address("ann", "far.test"), OURS, secret=SECRET, day=20_000)
    for secret, day in ((SECRET, 20_001 + VALID_DAYS), (SECRET, 19_999), (b"other", 20_000)):
        with pytest.raises(NotRewritten):
            restore(made.local_part, secret=secret, day=day)
    with pytest.raises(NotRewritten):
        restore(made.local_part.replace("ann", "bob"), secret=SECRET, day=20_000)


def test_what_others_have_forwarded_goes_back_to_the_first_of_them():
    first = rewrite(Address("ann", "far.test"), "two.example", secret=b"theirs", day=20_000)
    second = rewrite(first, "three.example", secret=b"thirds", day=20_000)
    third = rewrite(second, OURS, secret=SECRET, day=20_000)
    assert third.local_part.startswith("SRS1=") and third.domain == OURS
    assert restore(third.local_part, secret=SECRET, day=20_000) == first
    assert third.local_part.count("SRS") == 1


def test_a_sender_that_would_become_too_long_stays():
    sender = Address("a" * 250, "far.test")
    assert rewrite(sender, OURS, secret=SECRET, day=20_000) == sender
