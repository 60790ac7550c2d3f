"""The one line end that mail knows. RFC 5321 §2.3.8."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.smtp.lineends import are_crlf

_ALONE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@pytest.mark.parametrize("text", [b"", b"a", b"\r\n", b"a\r\nb", b"a\r\n\r\nb\r\n"])
def test_text_without_a_lone_cr_or_lf_passes(text):
    assert are_crlf(text)


@pytest.mark.parametrize(
    "text", [b"\n", b"\r", b"a\rb\nc", b"\n\r", b"\r\r\n\n", b"a\r\nb\n\rc\r\n"]
)
def test_a_cr_or_lf_that_stands_alone_is_seen(text):
    assert not are_crlf(text)


@settings(max_examples=200)
@given(st.text("\r\n\v\f\x1c\x85a", max_size=40).map(lambda text: text.encode("latin-1")))
def test_it_says_what_a_look_at_each_octet_says(text):
    assert are_crlf(text) == (_ALONE.search(text) is None)
