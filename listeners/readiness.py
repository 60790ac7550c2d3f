"""Tells whoever started this process that it is ready, in sd_notify's words."""

from __future__ import annotations

import ctypes
import gc
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass

# As Python has it; while the program is read, far less often (manage.py).
COLLECTING = 700, 10, 10


@dataclass(frozen=True, slots=True, order=True)
class Listening:
    """One port that is open now, or that should be: then `problem` says why it is not.

    `service` is one word: "smtp", "submission", "imap".
    """

    service: str
    ip: str
    port: int
    is_tls: bool = False  # from the first byte on
    problem: str = ""

    def encode(self) -> str:
        tls = "tls" if self.is_tls else "-"
        return f"X_LISTENING={self.service} {self.ip} {self.port} {tls} {self.problem}"

    @classmethod
    def decode(cls, value: str) -> Listening:
        """Read what follows `X_LISTENING=`. Raises ValueError."""
        service, ip, port, tls, problem = value.split(" ", 4)
        return cls(service, ip, int(port), tls == "tls", problem)


def give_back_memory() -> None:
    """When all is loaded: return what loading has left free, and let the rest be for good.

    glibc would keep it, a twentieth of a small server; and what stays until the end need not be
    looked through by each collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTING)
    ctypes.CDLL(None).malloc_trim(0)


def tell_ready(listening: Iterable[Listening] = ()) -> None:
    """From here on the process serves; told again when the ports have changed."""
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
