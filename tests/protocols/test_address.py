"""Addresses as people and servers write them. RFC 5321 §4.1.2, RFC 6531."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.address import (
    Address,
    MalformedAddress,
    fold,
    parse_domain,
    split_detail,
    strip_source_route,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anne@example.com", Address("anne", "example.com")),
        ("Anne.Smith@Example.COM", Address("Anne.Smith", "example.com")),
        ('"Anne Smith"@example.com', Address("Anne Smith", "example.com")),
        ('"anne"@example.com', Address("anne", "example.com")),
        ('"a\\"b\\\\c"@example.com', Address('a"b\\c', "example.com")),
        ('"a@b"@example.com', Address("a@b", "example.com")),
        ("anne@[192.0.2.1]", Address("anne", "[192.0.2.1]")),
        ("anne@[ipv6:2001:DB8:0::1]", Address("anne", "[IPv6:2001:db8::1]")),
        ("anne@bücher.example", Address("anne", "xn--bcher-kva.example")),
        ("anne@BÜCHER.example", Address("anne", "xn--bcher-kva.example")),
        ("ånne@example.com", Address("ånne", "example.com")),
        ("a/b=c{d}~e@example.com", Address("a/b=c{d}~e", "example.com")),
        ("anne@localhost", Address("anne", "localhost")),
    ],
)
def test_an_address_is_read_into_its_normal_form(text, expected):
    assert Address.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anne",
        "@example.com",
        "anne@",
        "anne@.example.com",
        "anne@example..com",
        "anne@example.com.",
        "anne@-example.com",
        "anne@example-.com",
        ".anne@example.com",
        "anne.@example.com",
        "an..ne@example.com",
        "an ne@example.com",
        "a@b@example.com",
        '"anne@example.com',
        'an"ne@example.com',
        '""@example.com',
        "anne@exa mple.com",
        "anne@example.com\r\n",
        "anne\0@example.com",
        '"an\nne"@example.com',
        "anne@[300.0.2.1]",
        "anne@[IPv6:fe80::1%eth0]",
        "anne@[192.0.2.1",
        "anne@[tag:what]",
        "anne@" + "a" * 64 + ".com",
        "anne@" + "a." * 130 + "com",
        "a" * 256 + "@example.com",
        "an\x85ne@example.com",
        "an\u202ene@example.com",
        "anne@exa\u202emple.com",
        "\ud800@example.com",
        "a@\ud800.com",
    ],
)
def test_what_is_no_address_is_malformed(text):
    with pytest.raises(MalformedAddress):
        Address.parse(text)


def test_quotes_return_only_where_they_are_needed():
    assert Address("anne", "example.com").encode() == "anne@example.com"
    assert Address("Anne Smith", "example.com").encode() == '"Anne Smith"@example.com'
    assert Address('a"b\\c', "example.com").encode() == '"a\\"b\\\\c"@example.com'
    assert str(Address("postmaster", "")) == "postmaster"


def test_equal_addresses_share_a_key():
    assert Address.parse("ANNE@Example.com").key == Address.parse('"anne"@example.COM').key
    assert fold("A\u030anne") == fold("Ånne")


@pytest.mark.parametrize("text", ["a%b@example.com", "b!a@example.com", '"a@b"@example.com'])
def test_a_hidden_route_is_recognised(text):
    assert Address.parse(text).carries_route


def test_an_ordinary_address_carries_no_route():
    assert not Address.parse("anne+lists@example.com").carries_route


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("@a.example,@b.example:anne@c.example", "anne@c.example"),
        ("anne@c.example", "anne@c.example"),
        ("@a.example", "@a.example"),
    ],
)
def test_source_routes_are_dropped(path, expected):
    assert strip_source_route(path) == expected


@pytest.mark.parametrize(
    ("local_part", "expected"),
    [
        ("anne", ("anne", None)),
        ("anne+lists", ("anne", "lists")),
        ("anne+", ("anne", "")),
        ("anne+a+b", ("anne", "a+b")),
        ("+anne", ("+anne", None)),
    ],
)
def test_the_detail_is_split_off(local_part, expected):
    assert split_detail(local_part) == expected


def test_a_literal_and_ascii_needs_are_told():
    assert Address.parse("anne@[192.0.2.1]").is_literal
    assert not Address.parse("ånne@example.com").is_ascii


@given(st.text(max_size=80) | st.from_regex(r'"?[a-z%." \\]{1,9}"?@[a-z.\[\]0-9é-]{1,12}'))
@settings(max_examples=200)
def test_any_text_is_an_address_or_malformed_and_writing_it_is_stable(text):
    try:
        address = Address.parse(text)
    except MalformedAddress:
        return
    assert Address.parse(address.encode()) == address
    assert address.key == Address.parse(address.encode()).key


@given(st.text(max_size=40))
@settings(max_examples=100)
def test_a_normal_domain_stays_as_it_is(text):
    try:
        domain = parse_domain(text)
    except MalformedAddress:
        return
    assert parse_domain(domain) == domain
