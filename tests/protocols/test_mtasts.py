"""The policy file of MTA-STS, and the record that announces it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import mtasts
from protocols.mtasts import MalformedPolicy, Mode, Policy

names = st.from_regex(r"(\*\.)?[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){1,3}", fullmatch=True)
policies = st.builds(
    Policy,
    st.sampled_from(Mode),
    st.integers(0, mtasts.LONGEST_SECONDS),
    st.lists(names, min_size=1, max_size=5).map(tuple),
)


@given(policies)
def test_what_is_encoded_is_parsed_again(policy):
    assert mtasts.parse(policy.encode()) == policy


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_policy_or_malformed(body):
    for given_body in (body, b"version: STSv1\nmode: enforce\n" + body):
        with contextlib.suppress(MalformedPolicy):
            mtasts.parse(given_body)


@given(st.lists(st.text(max_size=60)))
def test_any_texts_announce_an_id_or_none(texts):
    mtasts.announced_id(texts)


def test_the_example_of_the_standard():
    """RFC 8461 §3.2."""
    body = (
        b"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\n"
        b"mx: backupmx.example.com\nmax_age: 604800\n"
    )
    policy = mtasts.parse(body)
    assert (policy.mode, policy.max_age_seconds) == (Mode.ENFORCE, 604_800)
    assert policy.allows("MAIL.example.com.")
    assert policy.allows("mx.example.net")
    assert not policy.allows("a.mx.example.net")
    assert not policy.allows("example.net")
    assert mtasts.announced_id(["v=STSv1; id=20160831085700Z;"]) == "20160831085700Z"


@pytest.mark.parametrize(
    "texts",
    [[], ["v=STSv1; id=1", "v=STSv1; id=2"], ["v=STSv1"], ["v=STSv1; id=a-b"], ["v=STSv2; id=1"]],
)
def test_records_that_announce_nothing(texts):
    assert mtasts.announced_id(texts) is None
