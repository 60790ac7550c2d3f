"""The server's side of an LDAP connection without its socket: bytes in, messages out."""

from __future__ import annotations

from protocols.ldap import ber, requests
from protocols.ldap.ber import SEQUENCE, Malformed
from protocols.ldap.requests import Message

STRANGER_BYTES = 16 * 1024  # of one message, before somebody has logged in
MESSAGE_BYTES = 256 * 1024


class Connection:
    """Cuts what comes into messages. None is kept that is longer than allowed."""

    __slots__ = ("_buffer", "_is_closed", "_waits_for_tls", "allowed_bytes")

    def __init__(self) -> None:
        self.allowed_bytes = STRANGER_BYTES
        self._buffer = bytearray()
        self._waits_for_tls = False
        self._is_closed = False

    def receive(self, data: bytes) -> None:
        """Take bytes from the client; the caller stops reading while `is_full`."""
        if not (self._waits_for_tls or self._is_closed):
            self._buffer += data

    @property
    def waits_for_tls(self) -> bool:
        return self._waits_for_tls

    @property
    def is_full(self) -> bool:
        """Enough is buffered to go on with: the reader may pause until messages are taken."""
        return len(self._buffer) > self.allowed_bytes

    def next_message(self) -> Message | None:
        """None: more bytes are needed. Raises Malformed: the connection must end. §4.1.1."""
        if self._waits_for_tls or self._is_closed:
            return None
        size = ber.size_of(self._buffer, SEQUENCE)
        if size is None:
            return None
        if size > self.allowed_bytes:
            raise Malformed("a message is too long")
        if size > len(self._buffer):
            return None
        octets = bytes(self._buffer[:size])
        del self._buffer[:size]
        return requests.parse(octets)

    def close(self) -> None:
        """Nothing that comes from now on counts."""
        self._is_closed = True
        self._buffer.clear()

    def await_tls(self) -> None:
        """Forget what came behind StartTLS, and what comes until TLS has begun. §4.14."""
        self._buffer.clear()
        self._waits_for_tls = True

    def tls_started(self) -> None:
        self._waits_for_tls = False
