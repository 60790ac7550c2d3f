"""What is encrypted at rest: opened by its own key and purpose alone, whatever the bytes are."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import LazySettings
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from accounts import secrets
from accounts.secrets import Undecipherable, decrypt, derivations, derive, derived_by, encrypt

# The setting does not change between examples.
many = examples(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def keys(settings: LazySettings) -> LazySettings:
    """A server with three keys: one in use, and two former ones."""
    settings.SECRET_KEY = "present"
    settings.SECRET_KEY_FALLBACKS = ["former", "oldest"]
    return settings


def in_the_old_form(purpose: str, secret: bytes, key: str) -> bytes:
    """As values were written before they named their key."""
    nonce = b"n" * 12
    cipher = AESGCM(derived_by(purpose, key))
    return b"\x01" + nonce + cipher.encrypt(nonce, secret, purpose.encode())


@many
@given(purpose=st.text(st.characters(codec="utf-8")), secret=st.binary(max_size=5000))
def test_what_was_encrypted_is_decrypted_with_every_key_in_either_form(
    keys: LazySettings, purpose: str, secret: bytes
) -> None:
    sealed = encrypt(purpose, secret)
    assert decrypt(purpose, sealed) == secret and secrets.is_present(sealed)
    for key in ("present", "former", "oldest"):
        assert decrypt(purpose, in_the_old_form(purpose, secret, key)) == secret
    keys.SECRET_KEY, keys.SECRET_KEY_FALLBACKS = "newer", ["present"]
    try:
        assert decrypt(purpose, sealed) == secret and not secrets.is_present(sealed)
    finally:
        keys.SECRET_KEY = "present"
        keys.SECRET_KEY_FALLBACKS = ["former", "oldest"]


@many
@given(st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(lambda rest: b"\x03" + rest)))
@example(b"")
@example(b"\x01")
@example(b"\x03abcd")
def test_any_other_bytes_are_refused_in_one_way(keys: LazySettings, octets: bytes) -> None:
    assert not secrets.is_present(octets)
    with pytest.raises(Undecipherable):
        decrypt("p", octets)


@many
@given(data=st.data())
def test_a_changed_octet_is_noticed(keys: LazySettings, data: st.DataObject) -> None:
    sealed = bytearray(encrypt("p", b"secret"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Undecipherable):
        decrypt("p", bytes(sealed))


def test_the_name_of_the_key_stands_in_the_value_and_is_not_the_key(keys: LazySettings) -> None:
    first, second = encrypt("p", b"x"), encrypt("q", b"y")
    assert first[:5] == second[:5] and b"present" not in first
    keys.SECRET_KEY = "another"
    assert encrypt("p", b"x")[:5] != first[:5]


def test_what_is_derived_is_known_by_every_key_the_oldest_last(keys: LazySettings) -> None:
    assert derive("p") == derived_by("p", "present") == derivations("p")[0]
    assert derivations("p")[-1] == derived_by("p", "oldest")
