"""A client of a listener, as far as its protocol does not matter."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Talking:
    """A connection, with or without TLS; `lines` is what the server says."""

    def __init__(self, host, port, *, is_tls=False):
        self.socket = socket.create_connection((host, port), timeout=20)
        if is_tls:
            self.wrap()
        else:
            self.lines = self.socket.makefile("rb")

    def wrap(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname="mx.test")
        self.lines = self.socket.makefile("rb")

    def send(self, octets):
        self.socket.sendall(octets)

    def close(self):
        self.lines.close()
        self.socket.close()


@contextmanager
def talks(
    talk: Callable[..., Any], hosts: Mapping[str, str], ports: Mapping[str, int]
) -> Iterator[Callable[..., Any]]:
    """What opens a connection by its purpose; all are closed at the end."""
    opened = []

    def connect(purpose="plain", *, greets=True):
        one = talk(hosts[purpose], ports[purpose], is_tls=purpose == "tls", greets=greets)
        opened.append(one)
        return one

    yield connect
    for one in opened:
        one.close()
