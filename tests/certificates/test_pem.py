"""Certificates that are handed in: what is taken, and what is said of the rest (N-005)."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates import pem
from certificates.errors import CertificateRefused
from tests.authority import DAY, MONDAY, Authority, key_pem, new_key
from tests.authority import pem as pem_of

HOST = "mail.example.com"
AUTHORITY = Authority()
CHAIN, KEY = AUTHORITY.bundle(HOST)


def check(chain, key, host=HOST, now=MONDAY):
    bundle = pem.parse(chain, key)
    pem.check(bundle, host=host, now=now)
    return bundle


def reason(*arguments, **details):
    with pytest.raises(CertificateRefused) as refused:
        check(*arguments, **details)
    return refused.value.reason


@pytest.mark.spec("N-005")
def test_a_good_certificate_is_described_and_written_key_first():
    bundle = check(b"Subject: CN=mail\r\n" + CHAIN, b"Bag Attributes\n" + KEY)
    assert (bundle.names, bundle.issuer) == ((HOST,), "Intermediate")
    assert (bundle.not_before, bundle.not_after) == (MONDAY - DAY, MONDAY + 89 * DAY)
    assert bundle.encode() == KEY + CHAIN
    assert pem.parse(bundle.encode(), bundle.encode()).fingerprint == bundle.fingerprint


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["rsa", "p384", "ed25519"],
)
def test_keys_that_both_tls_libraries_take_are_taken(key):
    check(*AUTHORITY.bundle(HOST, key=key))


@pytest.mark.spec("N-005")
@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),
        ec.generate_private_key(ec.SECP521R1()),
        ec.generate_private_key(ec.SECP256K1()),
    ],
    ids=["rsa1024", "p521", "p256k1"],
)
def test_other_keys_are_refused(key):
    assert "RSA of 2048 bits or more" in reason(*AUTHORITY.bundle(HOST, key=key))


@pytest.mark.spec("N-005")
def test_the_key_of_another_certificate_is_refused():
    assert reason(CHAIN, key_pem(new_key())) == "the private key belongs to another certificate"


@pytest.mark.spec("N-005")
def test_a_chain_in_the_wrong_order_is_refused_with_what_stands_wrong():
    key = new_key()
    leaf = AUTHORITY.issue(HOST, public_key=key.public_key())
    turned = pem_of(AUTHORITY.intermediate, leaf)
    assert "is number 2 in the file" in reason(turned, key_pem(key))
    skipped = pem_of(leaf, AUTHORITY.root, AUTHORITY.intermediate)
    told = reason(skipped, key_pem(key))
    assert "certificate 1 (mail.example.com) was not issued by certificate 2 (Root)" in told
    check(pem_of(leaf, AUTHORITY.intermediate, AUTHORITY.root), key_pem(key))
    check(pem_of(leaf), key_pem(key))


@pytest.mark.spec("N-005")
def test_what_is_expired_or_not_yet_valid_is_refused():
    assert reason(CHAIN, KEY, now=MONDAY + 89 * DAY) == "it expired on 2026-04-04"
    assert "not valid before 2026-01-04 00:00" in reason(CHAIN, KEY, now=MONDAY - 2 * DAY)
    late = MONDAY + 3000 * DAY
    chain, key = AUTHORITY.bundle(HOST, begins=late - DAY)
    assert reason(chain, key, now=late).startswith("certificate 2 (Intermediate) expired on 20")


@pytest.mark.spec("N-005")
@pytest.mark.parametrize(
    ("name", "host", "covers"),
    [
        ("mail.example.com", "mail.example.com", True),
        ("Mail.Example.com", "mail.example.com", True),
        ("*.example.com", "mail.example.com", True),
        ("*.example.com", "*.example.com", True),
        ("*.example.com", "a.mail.example.com", False),
        ("*.example.com", "example.com", False),
        ("mail.example.com", "*.example.com", False),
        ("*.com", "*.example.com", False),
        ("other.example.com", "mail.example.com", False),
    ],
)
def test_the_host_must_be_among_the_names(name, host, covers):
    chain, key = AUTHORITY.bundle(name)
    if covers:
        check(chain, key, host=host)
    else:
        assert reason(chain, key, host=host) == f"it is for {name.lower()}, not for {host}"


def test_a_certificate_for_clients_only_is_refused():
    chain, key = AUTHORITY.bundle(HOST, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])
    assert reason(chain, key) == "it is not meant for servers"


def test_a_key_with_a_passphrase_is_refused_in_words():
    locked = new_key().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    assert "without" in reason(CHAIN, locked)


@pytest.mark.parametrize(
    ("chain", "key", "told"),
    [
        (b"", KEY, "no certificate in PEM form"),
        (CHAIN, b"", "no private key in PEM form"),
        (KEY, CHAIN, "no certificate in PEM form"),
        (CHAIN * 100, KEY, "longer than"),
        (pem_of(*[AUTHORITY.root] * 11), KEY, "longer than 10"),
    ],
)
def test_something_else_is_refused_in_words(chain, key, told):
    assert told in reason(chain, key)


def only_refused(chain, key, host=HOST):
    try:
        bundle = check(chain, key, host)
        bundle.encode()
    except CertificateRefused as error:
        assert str(error).isprintable()


@given(chain=st.binary(max_size=400), key=st.binary(max_size=400))
def test_any_bytes_raise_only_refusals(chain, key):
    only_refused(chain, key)


def rearmoured(der: bytes, label: str) -> bytes:
    body = base64.encodebytes(der)
    return f"-----BEGIN {label}-----\n".encode() + body + f"-----END {label}-----\n".encode()


LEAF_DER = pem.parse(CHAIN, KEY).chain[0].public_bytes(Encoding.DER)
changes = st.lists(
    st.tuples(st.integers(0, len(LEAF_DER) - 1), st.integers(0, 255)), min_size=1, max_size=4
)


@settings(max_examples=300)
@given(changes=changes, cut=st.integers(0, 30))
def test_a_certificate_with_broken_bytes_raises_only_refusals(changes, cut):
    der = bytearray(LEAF_DER)
    for place, value in changes:
        der[place] = value
    chain = rearmoured(bytes(der[: len(der) - cut]), "CERTIFICATE")
    only_refused(chain, KEY)
    only_refused(CHAIN + chain, KEY)


@settings(max_examples=100)
@given(place=st.integers(0, 137), value=st.integers(0, 255))
def test_a_key_with_broken_bytes_raises_only_refusals(place, value):
    key = pem.parse(CHAIN, KEY).key
    der = bytearray(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    der[place] = value
    only_refused(CHAIN, rearmoured(bytes(der), "PRIVATE KEY"))
