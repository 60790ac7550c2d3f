"""Messages for servers that pass seven bits only."""

from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.message.sevenbit import needs_encoding, to_seven_bit

TEXT = (
    b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe = \xe2\x82\xac\r\n.\r\n"
)
MULTIPART = (
    b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n--b\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"\xc3\xbc\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    b"\x00\x89PNG\n\xff\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + TEXT
    + b"\r\n--b--\r\n"
)


@pytest.mark.spec("S-054")
def test_text_becomes_quoted_printable_and_says_the_same():
    encoded = to_seven_bit(TEXT)
    assert encoded.isascii()
    read = message_from_bytes(encoded)
    assert read["Content-Transfer-Encoding"] == "quoted-printable"
    assert read.get_all("Content-Transfer-Encoding") == ["quoted-printable"]
    assert read.get_payload(decode=True) == message_from_bytes(TEXT).get_payload(decode=True)


def test_every_part_is_encoded_by_what_it_is():
    encoded = to_seven_bit(MULTIPART)
    assert encoded.isascii() and b"\0" not in encoded
    before, after = message_from_bytes(MULTIPART), message_from_bytes(encoded)
    assert after["Content-Transfer-Encoding"] == "7bit"
    text, image, plain, embedded = after.get_payload()
    assert [part["Content-Transfer-Encoding"] for part in (text, image, plain, embedded)] == [
        "quoted-printable", "base64", None, "7bit",
    ]  # fmt: skip
    assert image.get_payload(decode=True) == b"\x00\x89PNG\n\xff"
    inner = embedded.get_payload()[0]
    assert inner["Content-Transfer-Encoding"] == "quoted-printable"
    was = before.get_payload()[3].get_payload()[0]
    assert inner.get_payload(decode=True) == was.get_payload(decode=True)


def test_a_message_without_mime_is_declared():
    encoded = to_seven_bit(b"Subject: x\r\n\r\n\xfc\r\n")
    read = message_from_bytes(encoded)
    assert read["MIME-Version"] == "1.0"
    assert read.get_param("charset") == "unknown-8bit"
    assert read.get_payload(decode=True) == b"\xfc\r\n"


def test_what_is_seven_bit_already_stays_as_it_is():
    message = b"Subject: x\r\n\r\nplain\r\n"
    assert to_seven_bit(message) == message
    assert to_seven_bit(to_seven_bit(MULTIPART)) == to_seven_bit(MULTIPART)


def test_a_line_that_is_too_long_is_wrapped():
    encoded = to_seven_bit(b"Subject: x\r\n\r\n" + b"x" * 5000 + b"\r\n")
    assert max(map(len, encoded.split(b"\r\n"))) <= 76


@given(st.binary(max_size=300))
def test_any_body_comes_out_as_seven_bits(body):
    encoded = to_seven_bit(b"Subject: x\r\nContent-Type: application/x\r\n\r\n" + body)
    start = encoded.index(b"\r\n\r\n") + 4
    assert not needs_encoding(encoded[start:]) or b"\r\n\r\n" in body
    assert message_from_bytes(encoded).get_payload(decode=True) is not None


@given(
    st.lists(
        st.sampled_from(
            [
                b"--b",
                b"--b--",
                b"\r\n",
                b"\n",
                b"\xff",
                b"Content-Type: ",
                b"multipart/x; boundary=b",
            ]
            + [b"text/plain", b"message/rfc822", b"Content-Transfer-Encoding: 8bit", b"a: b", b" "]
        ),
        max_size=60,
    )
)
def test_broken_mime_raises_nothing(pieces):
    to_seven_bit(b"".join(pieces))
