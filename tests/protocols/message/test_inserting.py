"""Texts put before and behind messages: what people read, and what must stay as it was."""

import email
import email.policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.message.inserting import insert_texts
from protocols.message.mime import scan

BOUNDARY = "=_fresh"


def inserted(message, before="Before", after="After"):
    if isinstance(message, str):
        message = message.replace("\n", "\r\n").encode()
    return insert_texts(message, before, after, boundary=BOUNDARY)


def leaves(message):
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    return [(part.get_content_type(), part) for part in parsed.walk() if not part.is_multipart()]


def text(part):
    return part.get_content().replace("\r\n", "\n")


def test_plain_text_has_both_in_its_own_body():
    written = inserted("Subject: x\n\nHi.\n")
    assert written == b"Subject: x\r\n\r\nBefore\r\n\r\nHi.\r\n\r\nAfter\r\n"


def test_a_text_without_an_end_gets_one_before_the_footer():
    assert inserted("Subject: x\n\nHi.", before="").endswith(b"Hi.\r\n\r\nAfter\r\n")


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64"])
def test_an_encoded_text_is_decoded_and_encoded_again(encoding):
    import quopri
    from base64 import encodebytes

    body = "Grüße, was sonst.\r\n".encode()
    coded = encodebytes(body) if encoding == "base64" else quopri.encodestring(body)
    head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}"
    written = inserted(head.encode() + b"\r\n\r\n" + coded, after="Tschüß")
    ((kind, part),) = leaves(written)
    assert kind == "text/plain"
    assert text(part) == "Before\n\nGrüße, was sonst.\n\nTschüß\n"


def test_a_footer_that_the_charset_cannot_hold_stands_beside_the_text():
    written = inserted(
        "Subject: x\nContent-Type: text/plain; charset=us-ascii\n\nHi.\n", "", "Größe"
    )
    (first, hi), (second, footer) = leaves(written)
    assert (first, second) == ("text/plain", "text/plain")
    assert (text(hi).strip(), text(footer).strip()) == ("Hi.", "Größe")
    assert b"Subject: x\r\n" in written.partition(b"\r\n\r\n")[0]


MIXED = """Subject: x
Content-Type: multipart/mixed; boundary=b

--b

Hi.
--b
Content-Type: application/pdf

data
--b--
"""


def test_a_mixed_message_gets_parts_of_its_own_and_keeps_the_others():
    written = inserted(MIXED)
    kinds = [kind for kind, _ in leaves(written)]
    assert kinds == ["text/plain", "text/plain", "application/pdf", "text/plain"]
    texts = [text(part).strip() for kind, part in leaves(written) if kind == "text/plain"]
    assert texts == ["Before", "Hi.", "After"]


SIGNED = """Subject: x
MIME-Version: 1.0
Content-Type: multipart/signed; boundary=s; micalg=pgp-sha256;
 protocol="application/pgp-signature"

--s
Content-Type: text/plain

Signed  text. \x20
--s
Content-Type: application/pgp-signature

sig
--s--
"""


@pytest.mark.parametrize(
    "kind", ["multipart/signed", "multipart/encrypted", "multipart/alternative"]
)
def test_what_is_signed_encrypted_or_alternative_stays_byte_for_byte(kind):
    message = SIGNED.replace("multipart/signed", kind).replace("\n", "\r\n").encode()
    body = message.partition(b"\r\n\r\n")[2]
    written = inserted(message)
    assert body.rstrip(b"\r\n") in written
    tree = scan(written)
    assert (tree.content.type, tree.content.subtype) == (b"multipart", b"mixed")
    assert len(tree.children) == 3
    inner = tree.children[1].content
    assert f"{inner.type.decode()}/{inner.subtype.decode()}" == kind
    assert inner.boundary == b"s"


@pytest.mark.parametrize("body", ["-----BEGIN PGP MESSAGE-----\nx\n", "-----BEGIN PGP SIGNED M"])
def test_a_text_that_pgp_guards_stays_as_it_is(body):
    written = inserted(f"Subject: x\n\n{body}")
    assert scan(written).content.subtype == b"mixed"
    assert body.strip().replace("\n", "\r\n").encode() in written


def test_html_stands_beside_the_texts():
    kinds = [kind for kind, _ in leaves(inserted("Content-Type: text/html\n\n<p>Hi\n"))]
    assert kinds == ["text/plain", "text/html", "text/plain"]


def test_without_texts_nothing_changes():
    assert insert_texts(b"\xff\x00 any", "", "", boundary=BOUNDARY) == b"\xff\x00 any"


@given(st.binary(max_size=400), st.text(max_size=40), st.text(max_size=40))
@example(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", "a", "b")
@example(b"Content-Transfer-Encoding: base64\r\n\r\nx", "a", "b")
def test_any_bytes_are_taken(message, before, after):
    insert_texts(message, before, after, boundary=BOUNDARY)


HEADER = [
    b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: text/plain\r\n",
    b"Content-Type: multipart/signed; boundary=s\r\n", b"Content-Transfer-Encoding: base64\r\n",
]  # fmt: skip
BODY = [
    b"--b\r\n",
    b"--b--\r\n",
    b"Hi.\r\n",
    b"--s\r\n",
    b"--s--\r\n",
    b"SGkK\r\n",
    b"\r\n",
    *HEADER,
]


@given(st.lists(st.sampled_from(HEADER), max_size=2), st.lists(st.sampled_from(BODY), max_size=9))
def test_the_footer_can_be_read_whatever_the_shape(head, body):
    message = b"Subject: x\r\n" + b"".join(head) + b"\r\n" + b"".join(body)
    written = insert_texts(message, "", "Footer", boundary=BOUNDARY)
    shown = [text(part) for kind, part in leaves(written) if kind == "text/plain"]
    assert any("Footer" in one for one in shown), written
