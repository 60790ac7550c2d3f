"""The PROXY protocol: what proxies write is read, and nothing else is taken for it."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols import proxy
from protocols.proxy import Header, ProxyMalformed, parse
from tests.proxyheaders import Ends, binary, line

ports = st.integers(0, 65_535)
of_ipv4 = st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4), ports, ports)
of_ipv6 = st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6), ports, ports)


@settings(max_examples=200)
@given(of_ipv4 | of_ipv6, st.booleans(), st.binary(max_size=300), st.binary(max_size=50))
def test_either_version_names_the_client_and_ends_where_the_mail_begins(
    ends: Ends, is_binary: bool, further: bytes, rest: bytes
) -> None:
    octets = binary(ends, further) if is_binary else line(ends)
    assert parse(octets + rest) == Header((str(ends[0]), ends[2]), len(octets))
    for size in range(len(octets)):
        assert parse(octets[:size]) is None


@settings(max_examples=300)
@given(
    st.binary(max_size=150)
    | st.binary(max_size=150).map(lambda rest: proxy.SIGNATURE + rest)
    | st.binary(max_size=150).map(lambda rest: b"PROXY " + rest)
    | st.binary(max_size=100).map(lambda rest: b"PROXY TCP4 " + rest + b"\r\n")
)
@example(b"PROXY \r\n")
@example(b"PROXY  UNKNOWN\r\n")
def test_any_other_bytes_are_refused_in_one_way(octets: bytes) -> None:
    with contextlib.suppress(ProxyMalformed):
        header = parse(octets)
        if header is None:
            # Nobody may make the server wait for more than a header can have.
            assert len(octets) < proxy.LONGEST
        else:
            assert 0 < header.size_bytes <= len(octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO client.test\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        b"PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 2001:db8::1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 2001:db8::1 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 \xb2\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY " + b"x" * 101,
        proxy.SIGNATURE + b"\x11\x11\x00\x00",
        proxy.SIGNATURE + b"\x22\x11\x00\x00",
        proxy.SIGNATURE + b"\x21\x11\x00\x0b" + b"x" * 11,
        proxy.SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_no_proxy_writes_is_refused(octets: bytes) -> None:
    with pytest.raises(ProxyMalformed):
        parse(octets)


def test_who_speaks_for_himself_names_nobody() -> None:
    ends: Ends = (ip_address("192.0.2.1"), ip_address("192.0.2.2"), 1, 2)
    assert parse(proxy.LOCAL) == Header(None, 16)
    assert parse(binary(ends, command=0)) == Header(None, 28)
    assert parse(b"PROXY UNKNOWN\r\n220") == Header(None, 15)
    assert parse(b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n") == Header(None, 43)
    # UDP, and sockets of the same machine.
    for family in (0x00, 0x12, 0x31):
        head = proxy.SIGNATURE + bytes([0x21, family, 0, 3])
        assert parse(head + b"abc") == Header(None, 19)
