"""An IMAP client that costs next to nothing, so that the server is what gets measured."""

from __future__ import annotations

import selectors
import socket
import ssl
from collections.abc import Iterable, Iterator

from tests.bench.systems import Unverified

READ_BYTES = 1 << 18


class ImapClient:
    """One connection with one tag for every command: a response ends with that tag's line."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._received = bytearray()
        while not self._received.endswith(b"\r\n"):
            self._receive()
        self._received.clear()

    @classmethod
    def logged_in(
        cls, port: int, name: str, password: str, tls: ssl.SSLContext | None = None
    ) -> ImapClient:
        client = cls(port, tls)
        client.command(f'LOGIN "{name}" "{password}"'.encode())
        return client

    def command(self, line: bytes) -> bytes:
        """Send one command (literals in the `{n+}` form) and wait for the whole response.

        Raises Unverified unless the response ends in OK.
        """
        self.send(line)
        while (response := self.take_response()) is None:
            self._receive()
        return response

    def idle(self) -> None:
        """Begin IDLE and leave it open. RFC 2177."""
        self.socket.sendall(b"x IDLE\r\n")
        while b"\r\n" not in self._received or b"+ " not in self._received:
            self._receive()
        self._received.clear()

    def send(self, line: bytes) -> None:
        self.socket.sendall(b"x " + line + b"\r\n")

    def take_response(self) -> bytes | None:
        """The response if it is complete; call after reading."""
        received = self._received
        if not received.endswith(b"\r\n"):
            return None
        last = received.rfind(b"\n", 0, len(received) - 1) + 1
        if not received.startswith(b"x ", last):
            return None
        response = bytes(received)
        received.clear()
        if not response.startswith(b"x OK", last):
            raise Unverified(repr(response[last:]))
        return response

    def read_once(self) -> None:
        self._receive()

    def close(self) -> None:
        self.socket.close()

    def _receive(self) -> None:
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise Unverified(f"the server closed the connection: {bytes(self._received)[-200:]!r}")
        self._received += data


def run_scripts(scripts: Iterable[tuple[ImapClient, Iterator[bytes]]]) -> int:
    """Run each connection's commands one after the other, all connections at once.

    How many commands were answered OK.
    """
    answered, waiting = 0, 0
    with selectors.DefaultSelector() as selector:
        for client, commands in scripts:
            selector.register(client.socket, selectors.EVENT_READ, (client, commands))
            client.send(next(commands))
            waiting += 1
        while waiting:
            for key, _ in selector.select():
                client, commands = key.data
                client.read_once()
                if client.take_response() is None:
                    continue
                answered += 1
                line = next(commands, None)
                if line is None:
                    selector.unregister(client.socket)
                    waiting -= 1
                else:
                    client.send(line)
    return answered
