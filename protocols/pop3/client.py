"""The client's side of a POP3 connection without its socket: commands out, responses in."""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from dataclasses import dataclass

from protocols.pop3.commands import Auth, Capa, Command, List, Retr, Top, Uidl

LINE_BYTES = 1024  # RFC 2449 §4 allows 512
CHALLENGE_BYTES = 12288
BODY_BYTES = 128 * 1024 * 1024


class ProtocolViolation(Exception):
    """The server said what no POP3 server may; `said` is the beginning of it."""

    def __init__(self, said: bytes) -> None:
        super().__init__(repr(said[:80]))
        self.said = said[:80]


class ResponseTooLarge(ProtocolViolation):
    """A line or a body went over its limit."""


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to one command."""

    is_ok: bool
    text: str
    code: str = ""  # RFC 2449 §8, without its brackets
    body: bytes | None = None  # of a multi-line response: dots removed, without the end mark

    def lines(self) -> list[str]:
        """The body of LIST, UIDL or CAPA as text."""
        return (self.body or b"").decode("utf-8", "replace").split("\r\n")[:-1]


@dataclass(frozen=True, slots=True)
class Challenge:
    """The server's step of a SASL exchange. RFC 5034 §4."""

    data: bytes


_STATUS = re.compile(rb"(\+OK|-ERR)(?: +(?:\[([^\[\]\r\n]+)\] ?)?(.*))?", re.DOTALL)


class Client:
    """Pairs responses with the commands that asked for them, in order (PIPELINING).

    The server's greeting is the first response, before any command.
    """

    def __init__(self, *, body_bytes: int = BODY_BYTES) -> None:
        self._body_limit = body_bytes
        self._buffer = bytearray()
        self._awaited: deque[Command | None] = deque([None])  # None: the greeting
        self._status: Response | None = None  # of a multi-line response whose body is coming
        self._body = bytearray()

    def send(self, command: Command) -> bytes:
        """The line to write; remembers how its response will look."""
        if command.keyword:  # a line of a SASL exchange is answered on behalf of its AUTH
            self._awaited.append(command)
        return command.encode()

    def receive(self, data: bytes) -> list[Response | Challenge]:
        """What `data` completes.

        Raises ProtocolViolation, after which the connection is of no use any more.
        """
        self._buffer += data
        responses: list[Response | Challenge] = []
        start = 0
        while (at := self._buffer.find(b"\n", start)) >= 0:
            line = bytes(self._buffer[start : at + 1])
            start = at + 1
            response = self._take(line)
            if response is not None:
                responses.append(response)
        del self._buffer[:start]
        limit = self._body_limit if self._status is not None else CHALLENGE_BYTES
        if len(self._buffer) + len(self._body) > limit:
            raise ResponseTooLarge(bytes(self._buffer[:80]))
        return responses

    def _take(self, line: bytes) -> Response | Challenge | None:
        if self._status is not None:
            return self._take_body(self._status, line)
        line = line.rstrip(b"\r\n")
        if not self._awaited:
            raise ProtocolViolation(line)
        if line == b"+" or line.startswith(b"+ "):
            return self._challenge(line)
        response = self._read_status(line)
        command = self._awaited.popleft()
        if response.is_ok and _is_multi_line(command):
            self._status = response
            return None
        return response

    def _take_body(self, status: Response, line: bytes) -> Response | None:
        if line.rstrip(b"\r\n") == b".":
            body, self._body, self._status = bytes(self._body), bytearray(), None
            return Response(status.is_ok, status.text, status.code, body)
        self._body += line[1:] if line.startswith(b".") else line
        if len(self._body) > self._body_limit:
            raise ResponseTooLarge(line)
        return None

    def _challenge(self, line: bytes) -> Challenge:
        if not isinstance(self._awaited[0], Auth):
            raise ProtocolViolation(line)
        try:
            return Challenge(base64.b64decode(line[2:], validate=True))
        except (binascii.Error, ValueError):
            raise ProtocolViolation(line) from None

    @staticmethod
    def _read_status(line: bytes) -> Response:
        if len(line) > LINE_BYTES:
            raise ResponseTooLarge(line)
        match = _STATUS.fullmatch(line)
        if match is None:
            raise ProtocolViolation(line)
        sign, code, text = (part.decode("utf-8", "replace") for part in match.groups(b""))
        return Response(sign == "+OK", text, code)


def _is_multi_line(command: Command | None) -> bool:
    if isinstance(command, Retr | Top | Capa):
        return True
    if isinstance(command, Auth):
        return not command.mechanism
    return isinstance(command, List | Uidl) and command.number is None
