"""The PROXY protocol, versions 1 and 2: for whom a proxy has opened a connection.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt; its sections are cited as PP.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"  # of version 2
BEGINNING = b"PROXY "  # of version 1
LONGEST_LINE = 107  # PP 2.1, with CRLF
_FIXED_BYTES = 16
# Addresses and what else proxies tell of a connection; the protocol allows 65,535.
MOST_FURTHER_BYTES = 4096
LONGEST = _FIXED_BYTES + MOST_FURTHER_BYTES

# What a proxy says that connects for itself, such as to see whether somebody answers. PP 2.2.
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"

_TCP4, _TCP6 = 0x11, 0x21
_ADDRESS_BYTES = {_TCP4: 4, _TCP6: 16}


class ProxyMalformed(Exception):
    """The connection does not begin as a proxy's does."""


@dataclass(frozen=True, slots=True)
class Header:
    """`client`: address and port; None: the proxy speaks for itself, or of no TCP at all.

    `size_bytes` is how much of what was read belongs to it.
    """

    client: tuple[str, int] | None
    size_bytes: int


def parse(octets: bytes) -> Header | None:
    """The header at the beginning; None: more has to come. Raises ProxyMalformed."""
    if octets.startswith(BEGINNING):
        return _parse_line(octets)
    if octets.startswith(SIGNATURE):
        return _parse_binary(octets)
    if BEGINNING.startswith(octets) or SIGNATURE.startswith(octets):
        return None
    raise ProxyMalformed("there is no header")


def _parse_line(octets: bytes) -> Header | None:
    """PP 2.1: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 143`."""
    end = octets.find(b"\r\n", 0, LONGEST_LINE)
    if end < 0:
        if len(octets) >= LONGEST_LINE:
            raise ProxyMalformed("the line is too long")
        return None
    size_bytes = end + 2
    words = octets[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return Header(None, size_bytes)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ProxyMalformed("the line is not understood")
    read = _read_ipv4 if words[1] == b"TCP4" else _read_ipv6
    client, _, client_port, _ = read(words[2]), read(words[3]), _port(words[4]), _port(words[5])
    return Header((client, client_port), size_bytes)


def _parse_binary(octets: bytes) -> Header | None:
    """PP 2.2: version and command, family, length, addresses, and more that is not asked for."""
    if len(octets) < _FIXED_BYTES:
        return None
    version, command = octets[12] >> 4, octets[12] & 0xF
    further = int.from_bytes(octets[14:16], "big")
    if version != 2 or command > 1:
        raise ProxyMalformed("the version or the command is not known")
    if further > MOST_FURTHER_BYTES:
        raise ProxyMalformed("the header is too long")
    size_bytes = _FIXED_BYTES + further
    if len(octets) < size_bytes:
        return None
    width = _ADDRESS_BYTES.get(octets[13])
    if command == 0 or width is None:
        return Header(None, size_bytes)
    if further < 2 * width + 4:
        raise ProxyMalformed("the addresses are cut short")
    address = octets[16 : 16 + width]
    port = int.from_bytes(octets[16 + 2 * width : 18 + 2 * width], "big")
    return Header(
        (str(IPv4Address(address) if width == 4 else IPv6Address(address)), port), size_bytes
    )


def _read_ipv4(word: bytes) -> str:
    try:
        return str(IPv4Address(word.decode("ascii")))
    except ValueError:
        raise ProxyMalformed("an address is not understood") from None


def _read_ipv6(word: bytes) -> str:
    try:
        address = IPv6Address(word.decode("ascii"))
    except ValueError:
        raise ProxyMalformed("an address is not understood") from None
    if address.scope_id is not None:
        raise ProxyMalformed("an address is not understood")
    return str(address)


def _port(word: bytes) -> int:
    # isdigit of bytes knows ASCII alone.
    if not (word.isdigit() and len(word) <= 5 and int(word) <= 65_535):
        raise ProxyMalformed("a port is not understood")
    return int(word)
