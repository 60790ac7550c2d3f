"""Addresses as operators write them, those of this machine, and those that are never blocked."""

from __future__ import annotations

import ipaddress
import socket
import time
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise
from pathlib import Path

from django.conf import settings

from operations.errors import NetworkMalformed

IPV6_PREFIX = 64  # a customer's share: whoever has one address of it has them all
REMEMBERED_SECONDS = 60.0
_IPV4_TABLE = Path("/proc/net/fib_trie")
_IPV6_TABLE = Path("/proc/net/if_inet6")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291 §2.4, as far as it is given out
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def normal_network(text: str) -> str:
    """The normal form: an address alone as itself. Raises NetworkMalformed."""
    try:
        network = ipaddress.ip_network(text.strip().partition("%")[0], strict=False)
    except ValueError:
        raise NetworkMalformed(text) from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None:
        if network.prefixlen < network.max_prefixlen - 32:
            raise NetworkMalformed(text)
        network = ipaddress.ip_network((mapped, network.prefixlen - 96))
    is_alone = network.prefixlen == network.max_prefixlen
    return str(network.network_address if is_alone else network)


def party(address: str) -> str:
    """Whom an address stands for when it is counted or blocked: itself, or its /64 (M-060)."""
    if ":" not in address:
        return address
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    return f"{socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8))}/{IPV6_PREFIX}"


def is_public(text: str) -> bool:
    """Whether an address is one that the whole Internet may reach, also by the IPv4 within it."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        within = address.ipv4_mapped or address.sixtofour or _behind_nat64(address)
        if within is not None:
            return is_public(str(within))
        if address.teredo is not None or address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address not in _NAT64:
        return None
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def exempt_networks() -> list[IPv4Network | IPv6Network]:
    """Loopback, as this installation sees it: MAILHOST_NEVER_BLOCKED."""
    return [ipaddress.ip_network(text, strict=False) for text in settings.MAILHOST_NEVER_BLOCKED]


def own_addresses() -> frozenset[str]:
    """Of all interfaces of this machine, loopback included; a minute old at most."""
    return _own_addresses(int(time.monotonic() // REMEMBERED_SECONDS))


@lru_cache(maxsize=1)
def _own_addresses(minute: int) -> frozenset[str]:
    addresses = {"127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104 (compared, not bound)
    addresses.update(_ipv4_addresses())
    addresses.update(_ipv6_addresses())
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        found = []
    addresses.update(str(one[4][0]).partition("%")[0] for one in found)
    return frozenset(addresses)


def _ipv4_addresses() -> set[str]:
    """The kernel marks an address of its own as `/32 host LOCAL` in the line behind it."""
    if not _IPV4_TABLE.exists():
        return set()
    lines = _IPV4_TABLE.read_text().split("\n")
    return {line.rpartition(" ")[2] for line, after in pairwise(lines) if "/32 host LOCAL" in after}


def _ipv6_addresses() -> set[str]:
    if not _IPV6_TABLE.exists():
        return set()
    return {
        str(ipaddress.ip_address(bytes.fromhex(line.split()[0])))
        for line in _IPV6_TABLE.read_text().splitlines()
    }
