"""Signed tokens: what is proven, what is refused, and that no bytes break the reading."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols import jwt
from protocols.jwt import TokenRefused
from tests.openid_provider import SigningKey, encode

KEYS = [SigningKey("r", "RS256"), SigningKey("p", "PS256"), SigningKey("e", "ES256")]
PUBLISHED = {"keys": [key.public() for key in KEYS]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
patient = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def prove(text: str, key_set: object = PUBLISHED) -> object:
    token = jwt.parse(text)
    return jwt.prove(token, jwt.keys_for(token, key_set))


@given(claims=st.dictionaries(st.text(), JSON, max_size=4), number=st.integers(0, 2))
@patient
def test_what_a_known_key_has_signed_is_proven(claims: dict[str, object], number: int) -> None:
    assert prove(KEYS[number].sign(claims)) == claims


@patient
@given(st.text() | st.lists(st.binary(max_size=60), min_size=3, max_size=3))
def test_whatever_comes_only_refusals_are_raised(given: str | list[bytes]) -> None:
    text = given if isinstance(given, str) else ".".join(map(encode, given))
    with pytest.raises(TokenRefused):
        prove(text)


@patient
@given(head=JSON, claims=JSON, key_set=JSON)
def test_any_json_in_the_parts_is_refused_or_read(
    head: object, claims: object, key_set: object
) -> None:
    text = ".".join(encode(json.dumps(part).encode()) for part in (head, claims, "x"))
    for known in (key_set, {"keys": key_set}, {"keys": [key_set]}, PUBLISHED):
        with pytest.raises(TokenRefused):
            prove(text, known)


def test_a_token_cannot_choose_how_it_is_proven() -> None:
    key = KEYS[0]
    for forged in (
        key.sign({}, alg="none"),
        key.sign({}, alg="HS256"),
        key.sign({}, alg="PS256"),
        key.sign({}, alg="ES256"),
        key.sign({}, crit=["x"]),
        key.sign({}, kid=7),
        SigningKey("r", "RS256").sign({}),
        key.sign({"sub": "a"}).replace(".", ".e", 1),
        key.sign({}).rpartition(".")[0] + ".",
        key.sign({"x": "y" * jwt.LONGEST_TOKEN}),
    ):
        with pytest.raises(TokenRefused):
            prove(forged)


def test_weak_and_malformed_keys_do_not_count() -> None:
    row = KEYS[0].public()
    weak = {**row, "n": encode((2**512 + 1).to_bytes(65, "big"))}
    elsewhere = {**KEYS[2].public(), "x": encode(b"\x01"), "y": encode(b"\x01")}
    for changed in (weak, {**row, "use": "enc"}, {**row, "n": 5}, {**row, "kty": "oct"}, elsewhere):
        with pytest.raises(TokenRefused):
            prove(KEYS[0].sign({}), {"keys": [changed]})
            prove(KEYS[2].sign({}), {"keys": [changed]})
    unnamed = {name: value for name, value in row.items() if name not in ("kid", "alg")}
    assert prove(KEYS[0].sign({"a": 1}), {"keys": [unnamed]}) == {"a": 1}
