"""TLSA records, and certificates that they allow or not."""

import contextlib
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha512

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from protocols import dane
from protocols.dane import MalformedTlsa, Tlsa
from tests.authority import MONDAY, Authority, new_key

NAMES = ("mx.far.test",)


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def chain(authority):
    leaf = authority.issue(*NAMES, public_key=new_key().public_key())
    return [leaf, authority.intermediate, authority.root]


def refusal(record, chain, *, names=NAMES, now=MONDAY):
    shown = [each.public_bytes(Encoding.DER) for each in chain]
    return dane.refusal([record], shown, names=names, now=now)


def record_for(certificate, usage, selector=1, matching=1):
    data = dane._selected(certificate, selector)
    digest = {0: data, 1: sha256(data).digest(), 2: sha512(data).digest()}[matching]
    return Tlsa(usage, selector, matching, digest)


@given(st.text(max_size=200))
def test_any_text_is_a_record_or_malformed(text):
    for given_text in (text, f"3 1 1 {text}"):
        with contextlib.suppress(MalformedTlsa):
            dane.parse(given_text)


@given(st.builds(Tlsa, *[st.integers(0, 255)] * 3, st.binary(max_size=80)))
def test_what_is_written_is_read_again(record):
    assert dane.parse(record.text) == record


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_any_bytes_for_certificates_are_refused(shown):
    assert dane.refusal([Tlsa(3, 1, 1, b"x" * 32)], shown, names=NAMES, now=MONDAY)


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize(("usage", "place"), [(3, 0), (2, 1), (2, 2)])
def test_every_kind_of_record_is_understood(chain, usage, place, selector, matching):
    assert refusal(record_for(chain[place], usage, selector, matching), chain) == ""


def test_a_pinned_key_knows_neither_names_nor_dates(chain):
    late = MONDAY + timedelta(days=9999)
    assert refusal(record_for(chain[0], 3), chain, names=("other.test",), now=late) == ""


def test_a_pinned_authority_knows_both(chain):
    record = record_for(chain[1], 2)
    assert "another name" in refusal(record, chain, names=("other.test",))
    assert "out of date" in refusal(record, chain, now=datetime(2036, 1, 1, tzinfo=UTC))


def test_a_chain_that_does_not_hang_together_is_refused(chain, authority):
    stranger = Authority()
    record = record_for(stranger.intermediate, 2)
    assert refusal(record, [chain[0], stranger.intermediate])
    leaf = authority.issue("x.test", public_key=new_key().public_key())
    assert refusal(record_for(leaf, 2), [chain[0], leaf])


@pytest.mark.parametrize("text", ["0 1 1 " + "00" * 32, "3 1 1 00", "3 2 1 " + "00" * 32, "3 1 0 "])
def test_records_that_are_of_no_use(text):
    assert not dane.parse(text).is_usable
