"""Names under which a domain can be hosted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.errors import NameMalformed
from domains.names import read_name


@pytest.mark.spec("D-032")
@pytest.mark.parametrize(
    ("text", "name", "unicode_name"),
    [
        ("Example.COM", "example.com", "example.com"),
        (" example.com. ", "example.com", "example.com"),
        ("bücher.example", "xn--bcher-kva.example", "bücher.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example", "bücher.example"),
        ("BÜCHER.example", "xn--bcher-kva.example", "bücher.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah", "例え.テスト"),
        ("a-b.c1.example", "a-b.c1.example", "a-b.c1.example"),
    ],
)
def test_a_name_has_one_stored_and_one_readable_form(
    text: str, name: str, unicode_name: str
) -> None:
    read = read_name(text)
    assert (read.name, read.unicode_name) == (name, unicode_name)


@pytest.mark.spec("D-032")
@pytest.mark.spec("D-101")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "example..com",
        ".example.com",
        "-a.example",
        "a-.example",
        "a_b.example",
        "a b.example",
        "a/b.example",
        "../etc.example",
        "192.0.2.1",
        "x" * 64 + ".example",
        ".".join(["x" * 60] * 5),
        "xn--zzzzzz---.example",
        "a\x00b.example",
        "a\nb.example",
        "user@example.com",
        "[192.0.2.1]",
        "*.example.com",
        "ex\u200bample.com\u2044x",
        "\ud800.example",
    ],
)
def test_what_is_no_host_name_is_refused(text: str) -> None:
    with pytest.raises(NameMalformed):
        read_name(text)


@given(st.text(max_size=80))
@settings(max_examples=200)
def test_any_text_is_read_to_a_stable_name_or_refused(text: str) -> None:
    try:
        name = read_name(text)
    except NameMalformed:
        return
    assert read_name(name.name) == name
    assert read_name(name.unicode_name).name == name.name
