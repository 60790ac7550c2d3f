"""The (IP, port) pairs of a listener, which of them are bound, and their sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass

from listeners import activation

BACKLOG = 1024


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """An (IP, port) pair of one protocol (N-003). `purpose` tells SMTP's two kinds apart."""

    ip: str
    port: int
    is_tls: bool = False  # from the first byte on (N-004)
    purpose: str = ""


def open_socket(endpoint: Endpoint, *, shares_port: bool = False) -> socket.socket:
    """A bound socket that listens; `::` takes IPv4 clients as well. Raises OSError.

    Where systemd has opened this pair already, that socket is used.
    """
    inherited = activation.take(endpoint.ip, endpoint.port)
    if inherited is not None:
        inherited.listen(BACKLOG)  # again, where the service had been stopped
        return inherited
    family = socket.AF_INET6 if ":" in endpoint.ip else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, endpoint.ip != "::")
        opened.bind((endpoint.ip, endpoint.port))
        opened.listen(BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def without_covered(endpoints: Iterable[Endpoint]) -> set[Endpoint]:
    """Drop pairs on a port that a wildcard address takes anyway, and second claims on a pair.

    Where one pair is claimed for two purposes the first in order wins.
    """
    kept: dict[tuple[str, int], Endpoint] = {}
    for endpoint in sorted(endpoints):
        kept.setdefault((endpoint.ip, endpoint.port), endpoint)
    # Port 0 means any free one: nothing is covered there.
    wild = {(e.ip, e.port) for e in kept.values() if e.ip in ("0.0.0.0", "::") and e.port}  # noqa: S104
    return {endpoint for (ip, port), endpoint in kept.items() if not _is_covered(ip, port, wild)}


def _is_covered(ip: str, port: int, wild: set[tuple[str, int]]) -> bool:
    if ip == "::":
        return False
    if ("::", port) in wild:
        return True
    return ip != "0.0.0.0" and ":" not in ip and ("0.0.0.0", port) in wild  # noqa: S104
