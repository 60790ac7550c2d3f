"""The client's side of a POP3 connection without its socket: commands out, responses in."""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from dataclasses import dataclass

from protocols.pop3.commands import Auth, Capa, Command, List, Retr, Top, Uidl
from protocols.pop3.multiline import Unstuffer

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


@dataclass(frozen=True, slots=True)
class BodyChunk:
    """The next octets of a body that was asked for as a stream, dots removed."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The body that was asked for as a stream is complete."""


Event = Response | Challenge | BodyChunk | BodyEnd
_STATUS = re.compile(rb"(\+OK|-ERR)(?: +(?:\[([^\[\]\r\n]+)\] ?)?(.*))?", re.DOTALL)


@dataclass(slots=True)
class _Body:
    """What has come of a multi-line response; `status` None: it was given out before its body."""

    status: Response | None
    unstuffer: Unstuffer
    octets: bytearray


class Client:
    """Pairs responses with the commands that asked for them, in order (PIPELINING).

    The server's greeting is the first response, before any command.
    """

    def __init__(self, *, body_bytes: int = BODY_BYTES) -> None:
        """`body_bytes` limits bodies that are gathered; those given out as a stream have none."""
        self._body_limit = body_bytes
        self._buffer = bytearray()
        # None: the greeting. The bool says whether a body is given out as it comes.
        self._awaited: deque[tuple[Command | None, bool]] = deque([(None, False)])
        self._body: _Body | None = None

    def send(self, command: Command, *, streams: bool = False) -> bytes:
        """The line to write; remembers how its response will look.

        With `streams` a multi-line response comes as Response with no body, then BodyChunks, then
        BodyEnd, and none of it is kept.
        """
        if command.keyword:  # a line of a SASL exchange is answered on behalf of its AUTH
            self._awaited.append((command, streams))
        return command.encode()

    @property
    def has_more(self) -> bool:
        """Whether octets are here that no command has asked for: to be looked at before TLS."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> list[Event]:
        """What `data` completes.

        Raises ProtocolViolation, after which the connection is of no use any more.
        """
        self._buffer += data
        events: list[Event] = []
        while self._buffer:
            if self._body is not None:
                self._take_body(self._body, events)
                continue
            at = self._buffer.find(b"\n")
            if at < 0:
                if len(self._buffer) > CHALLENGE_BYTES:
                    raise ResponseTooLarge(bytes(self._buffer[:80]))
                break
            line = bytes(self._buffer[: at + 1])
            del self._buffer[: at + 1]
            self._take(line.rstrip(b"\r\n"), events)
        return events

    def _take(self, line: bytes, events: list[Event]) -> None:
        if not self._awaited:
            raise ProtocolViolation(line)
        if line == b"+" or line.startswith(b"+ "):
            events.append(self._challenge(line))
            return
        response = self._read_status(line)
        command, streams = self._awaited.popleft()
        if not response.is_ok or not _is_multi_line(command):
            events.append(response)
            return
        self._body = _Body(None if streams else response, Unstuffer(), bytearray())
        if streams:
            events.append(response)

    def _take_body(self, body: _Body, events: list[Event]) -> None:
        octets = body.unstuffer.feed(bytes(self._buffer))
        self._buffer.clear()
        if body.status is not None:
            body.octets += octets
            if len(body.octets) > self._body_limit:
                raise ResponseTooLarge(octets)
        elif octets:
            events.append(BodyChunk(octets))
        if body.unstuffer.is_finished:
            self._body = None
            self._buffer += body.unstuffer.rest
            events.append(_whole(body.status, bytes(body.octets)) if body.status else BodyEnd())

    def _challenge(self, line: bytes) -> Challenge:
        if not isinstance(self._awaited[0][0], Auth):
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


def _whole(status: Response, body: bytes) -> Response:
    return Response(status.is_ok, status.text, status.code, body)


def _is_multi_line(command: Command | None) -> bool:
    if isinstance(command, Retr | Top | Capa):
        return True
    if isinstance(command, Auth):
        return not command.mechanism
    return isinstance(command, List | Uidl) and command.number is None
