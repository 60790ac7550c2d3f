"""Tells whoever started this process that it is ready, in sd_notify's words."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Listening:
    """One port that is open now. `service` is a word for people: "SMTP", "submission", "IMAP"."""

    service: str
    ip: str
    port: int
    is_tls: bool = False  # from the first byte on

    def encode(self) -> str:
        return f"X_LISTENING={self.service} {self.ip} {self.port} {'tls' if self.is_tls else '-'}"

    @classmethod
    def decode(cls, value: str) -> Listening:
        """Read what follows `X_LISTENING=`. Raises ValueError."""
        service, ip, port, tls = value.rsplit(" ", 3)
        return cls(service, ip, int(port), tls == "tls")


def tell_ready(listening: Iterable[Listening] = ()) -> None:
    """From here on the process serves; may be told again when the ports have changed."""
    tell("READY=1", *(one.encode() for one in sorted(listening)))


def tell_stopping() -> None:
    tell("STOPPING=1")


def tell(*assignments: str) -> None:
    """Send one datagram to $NOTIFY_SOCKET; nothing happens where nobody asked for it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket: systemd's spelling of a leading NUL
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        try:
            out.sendto("\n".join(assignments).encode(), address)
        except OSError:
            # Whoever asked is gone: the server is not worse for it.
            return
