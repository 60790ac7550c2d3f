"""Signatures, checked by a verifier that shares nothing with what makes them."""

import base64
from hashlib import sha256

import dkim as verifier
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.message import dkim, headers
from protocols.message.dkim import BodyHash, Signer

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED = ed25519.Ed25519PrivateKey.generate()
HEAD = b"From: Ann <ann@one.example>\r\nTo: bob@far.test\r\nSubject: Hello\r\n"


def ed_sign(data):
    return ED.sign(sha256(data).digest())


SIGNERS = (
    Signer("one.example", "r", "rsa-sha256", lambda d: RSA.sign(d, padding.PKCS1v15(), SHA256())),
    Signer("one.example", "e", "ed25519-sha256", ed_sign),
)
RECORDS = {
    b"r._domainkey.one.example.": b"v=DKIM1; k=rsa; p="
    + base64.b64encode(
        RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ),
    b"e._domainkey.one.example.": b"v=DKIM1; k=ed25519; p="
    + base64.b64encode(ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
}


def signed(message, *, cut=50, signers=SIGNERS):
    start = headers.body_start(message)
    body_hash = BodyHash()
    for at in range(start, len(message), cut):
        body_hash.update(message[at : at + cut])
    fields = dkim.signatures(message[:start], body_hash.digest(), signers, at_seconds=1_700_000_000)
    return fields + message


def verdicts(message, count=2):
    """Of the verifier, for each signature from the top."""
    look_up = lambda name, timeout=5: RECORDS[name]  # noqa: E731
    found = []
    for number in range(count):
        try:
            found.append(verifier.DKIM(message).verify(number, dnsfunc=look_up))
        except verifier.ValidationError:
            found.append(False)
    return found


@pytest.mark.spec("F-042")
def test_both_kinds_of_keys_sign_what_others_verify():
    message = HEAD + b"MIME-Version: 1.0\r\n\r\nHi  there \t \r\n\r\n second\r\n\r\n\r\n"
    assert verdicts(signed(message)) == [True, True]


@pytest.mark.spec("F-042")
def test_a_changed_body_or_header_or_one_header_more_breaks_the_signature():
    message = signed(HEAD + b"\r\nPay 100 to Ann.\r\n")
    assert verdicts(message.replace(b"100", b"900")) == [False, False]
    assert verdicts(message.replace(b"Subject: Hello", b"Subject: Hullo")) == [False, False]
    added = message.replace(b"From: Ann", b"From: Eve <eve@bad.test>\r\nFrom: Ann")
    assert verdicts(added) == [False, False]
    again = message.replace(b"Subject: Hello", b"Subject: Hello\r\nSubject: Other")
    assert verdicts(again) == [False, False]


@pytest.mark.spec("F-042")
def test_what_servers_on_the_way_may_do_does_not_break_it():
    message = signed(HEAD + b"\r\nHi there\r\n")
    changed = message.replace(b"Subject: Hello", b"SUBJECT:   Hello ").replace(b"Hi t", b"Hi \t t")
    assert verdicts(b"Received: by far.test\r\n" + changed + b"\r\n\r\n") == [True, True]


line = st.text(alphabet="ab \t.-", max_size=12).map(str.encode)


@given(
    st.lists(line, max_size=12), st.sampled_from([b"\r\n", b"\n"]), st.booleans(), st.integers(1, 9)
)
@settings(max_examples=100, deadline=None)
def test_any_body_in_any_pieces_verifies(lines, line_end, has_end, cut):
    body = line_end.join(lines) + (line_end if has_end else b"")
    message = signed(HEAD + b"\r\n" + body, cut=cut, signers=SIGNERS[:1])
    sent = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    sent += b"" if sent.endswith(b"\r\n") else b"\r\n"  # as DATA always ends
    assert verdicts(sent, 1) == [True]


@pytest.mark.parametrize(
    ("head", "domain"),
    [
        (HEAD, b"one.example"),
        (b"From: a@B.Example, c@d.test\r\n", None),
        (b"From: a@b.test\r\nFrom: c@d.test\r\n", None),
        (b"From: nobody\r\n", None),
        (b"Subject: none\r\n", None),
        (b"From: a@ONE.example\r\n", b"one.example"),
    ],
)
def test_the_author_is_one_or_nobody(head, domain):
    assert dkim.author_domain(head + b"\r\n") == domain


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_can_be_signed(message):
    assert signed(message, signers=SIGNERS[1:]).endswith(message)
    dkim.author_domain(message)
