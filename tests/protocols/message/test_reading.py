"""Mail as plain text that does no harm to whoever looks at it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.message.reading import read

HTML = b"""Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r
Content-Type: text/html; charset=utf-8\r
\r
<html><head><title>t</title></head><body><p>Hello <b>you</b></p><script>steal()</script>
<img src="http://evil.test/pixel.png"><style>x{}</style><a href="http://evil.test/">click</a>
"""
MIXED = b"""From: a@one.example\r
Content-Type: multipart/mixed; boundary=x\r
\r
--x\r
Content-Type: multipart/alternative; boundary=y\r
\r
--y\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
caf=E9\r
--y\r
Content-Type: text/html\r
\r
<p>caf\xe9</p>\r
--y--\r
--x\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename="in\xe2\x80\xaevoice.pdf"\r
Content-Transfer-Encoding: base64\r
\r
aGVsbG8=\r
--x--\r
"""


@pytest.mark.spec("S-031")
def test_html_is_shown_as_its_words_without_anything_that_acts_or_loads():
    shown = read(HTML)
    assert shown.first("subject") == "Grüße"
    assert shown.is_from_html
    assert "Hello you" in shown.text and "click" in shown.text
    for harm in ("steal", "<", "evil.test", "x{}"):
        assert harm not in shown.text


@pytest.mark.spec("S-031")
def test_plain_text_is_preferred_and_attachments_are_listed():
    shown = read(MIXED)
    assert (shown.text.strip(), shown.is_from_html) == ("café", False)
    kinds = [(one.content_type, one.name) for one in shown.attachments]
    # The mark that would turn "ecivo.pdf" round is gone.
    assert kinds == [("text/html", ""), ("application/pdf", "invoice.pdf")]


def test_controls_that_play_tricks_on_terminals_are_left_out():
    shown = read(b"Subject: a\x1b[31mred\x07\r\n\r\nbell\x07 \x1b]0;title\x07 end\r\n")
    assert "\x1b" not in shown.first("subject") + shown.text
    assert "\x07" not in shown.text


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_read(message):
    shown = read(message)
    assert "\x1b" not in shown.text


@given(st.binary(max_size=500))
def test_any_html_can_be_read(body):
    read(b"Content-Type: text/html\r\n\r\n" + body)
