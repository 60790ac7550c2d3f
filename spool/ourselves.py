"""By which names and addresses this server would recognise itself as somebody's mail server."""

from __future__ import annotations

import ipaddress
import socket
from itertools import pairwise
from pathlib import Path

from django.conf import settings as conf

from spool.mx import Ourselves

SMTP_PORT = 25
_IPV4_TABLE = Path("/proc/net/fib_trie")
_IPV6_TABLE = Path("/proc/net/if_inet6")


def recognise_ourselves() -> Ourselves:
    """Addresses count only where other servers would meet us on the port that is tried there."""
    names = frozenset({conf.MAILHOST_HOSTNAME})
    if conf.MAILHOST_OUTGOING_PORT != SMTP_PORT + conf.MAILHOST_PORT_OFFSET:
        return Ourselves(names, frozenset())
    return Ourselves(names, own_addresses())


def own_addresses() -> frozenset[str]:
    """Of all interfaces of this machine, loopback included."""
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
