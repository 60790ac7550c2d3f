"""The client's side of an IMAP connection without its socket: commands out, responses in.

RFC 3501, RFC 9051. One command at a time. What the server sends is limited in every way: each
response, all responses to one command, and how long a line may become. The body of a message
alone is not kept: it is given out as it comes.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections import deque
from dataclasses import dataclass

from protocols.imap import answers
from protocols.imap.answers import Answer, Told
from protocols.imap.errors import Malformed
from protocols.imap.responses import quoted

RESPONSE_BYTES = 1024 * 1024
COMMAND_BYTES = 64 * 1024 * 1024  # of all responses to one command: some 500,000 messages
QUOTED_BYTES = 1000  # longer strings are sent as literals


class ProtocolViolation(Exception):
    """The server said what no IMAP server may; `said` is the beginning of it."""

    def __init__(self, said: bytes) -> None:
        super().__init__(repr(said[:80]))
        self.said = said[:80]


class ResponseTooLarge(ProtocolViolation):
    """A response, or all of them to one command, went over the limit."""


class Unsendable(Exception):
    """A string has octets that no IMAP command can hold."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A string that is sent when the server has said that it may come. RFC 3501 §4.3."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class WriteOn:
    """The server waits for the rest of the command: write `octets`."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Challenge:
    """The server's step of a SASL exchange: answer it by `respond`. RFC 3501 §6.2.2."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BodyBegins:
    """A message of `size` octets follows in BodyChunks; Fetched says whose it was."""

    size: int


@dataclass(frozen=True, slots=True)
class BodyChunk:
    octets: bytes


Event = Answer | WriteOn | Challenge | BodyBegins | BodyChunk
_LITERAL_HEADER = re.compile(rb"~?\{(\d{1,15})\+?\}\r?\n\Z")
_BODY_HEADER = re.compile(rb"[( ]BODY\[\] \{\d{1,15}\+?\}\r?\n\Z", re.IGNORECASE)
_FETCH = re.compile(rb"\* \d{1,10} FETCH \(", re.IGNORECASE)
_HEADER_BYTES = 32  # of the longest literal's header, with BODY[]
# Their text is for people: what looks like a literal at its end is none.
_STATUS = re.compile(rb"\S+ (?:OK|NO|BAD|BYE|PREAUTH)[ \r\n]", re.IGNORECASE)
_UNQUOTABLE = re.compile(rb"[^\x20-\x7e]")


class Client:
    """Responses come out as typed values in their order; the server's greeting is the first."""

    def __init__(
        self, *, response_bytes: int = RESPONSE_BYTES, command_bytes: int = COMMAND_BYTES
    ) -> None:
        self._response_limit = response_bytes
        self._command_limit = command_bytes
        self._command_bytes = 0
        self._buffer = bytearray()
        self._response = bytearray()  # lines and literals of the one that is coming
        self._literal_left = 0  # octets that belong to `_response`
        self._body_left: int | None = None  # octets that are given out; None: no body is coming
        self._number = 0
        self._tag: bytes | None = None  # of the command under way
        self._unsent: deque[bytes] = deque()
        self._is_sasl = False
        self._streams = False

    def send(self, *words: bytes | Literal, streams: bool = False, is_sasl: bool = False) -> bytes:
        """What to write of the command that `words`, as they stand, make; a tag goes before them.

        With `streams` the body of a message is given out in chunks. With `is_sasl` the server may
        send Challenges. A second command before the first has ended is the caller's bug.
        """
        assert self._tag is None
        self._number += 1
        self._tag = b"a%d" % self._number
        self._streams, self._is_sasl = streams, is_sasl
        self._command_bytes = 0
        pieces = [self._tag + b" "]
        for word in words:
            if isinstance(word, Literal):
                pieces[-1] += b"{%d}\r\n" % len(word.octets)
                pieces.append(word.octets)
            else:
                pieces[-1] += word
        pieces[-1] += b"\r\n"
        self._unsent = deque(pieces[1:])
        return pieces[0]

    def respond(self, data: bytes | None) -> bytes:
        """The line that answers a Challenge; None gives the exchange up."""
        return (b"*" if data is None else b64encode(data)) + b"\r\n"

    @property
    def has_more(self) -> bool:
        """Whether octets are here that no command has asked for: to be looked at before TLS."""
        return bool(self._buffer or self._response)

    def receive(self, data: bytes) -> list[Event]:
        """What `data` completes.

        Raises ProtocolViolation, after which the connection is of no use any more.
        """
        self._buffer += data
        events: list[Event] = []
        while self._step(events):
            pass
        return events

    def _step(self, events: list[Event]) -> bool:
        """Move on in what has come; False: more is needed."""
        if self._body_left is not None:
            return self._pass_body(self._body_left, events)
        if self._literal_left:
            taken = self._take(self._literal_left)
            self._literal_left -= len(taken)
            self._response += taken
            return bool(taken)
        newline = self._buffer.find(b"\n")
        length = newline + 1 if newline >= 0 else len(self._buffer)
        if len(self._response) + length > self._response_limit:
            raise ResponseTooLarge(bytes(self._response + self._buffer[:80]))
        if newline < 0:
            return False
        self._response += self._take(length)
        self._end_line(events)
        return True

    def _take(self, most: int) -> bytes:
        octets = bytes(self._buffer[:most])
        del self._buffer[:most]
        return octets

    def _pass_body(self, left: int, events: list[Event]) -> bool:
        octets = self._take(left)
        if octets:
            events.append(BodyChunk(octets))
        self._body_left = left - len(octets) or None
        return bool(octets) or not left

    def _end_line(self, events: list[Event]) -> None:
        """A line is here: a literal follows it, or it ends a response."""
        response = self._response
        tail = bytes(response[-_HEADER_BYTES:])
        header = _LITERAL_HEADER.search(tail)
        if header is None or _STATUS.match(response):
            whole = bytes(response)
            response.clear()
            events += self._read(whole)
            return
        size = int(header[1])
        body = _BODY_HEADER.search(tail)
        if self._streams and body is not None and _FETCH.match(response):
            # Its place is kept by an empty string, so that the response can be read as a whole.
            del response[header.start() - len(tail) :]
            response += b'""'
            self._body_left = size
            events.append(BodyBegins(size))
            return
        if len(response) + size > self._response_limit:
            raise ResponseTooLarge(bytes(response))
        self._literal_left = size

    def _read(self, response: bytes) -> list[Event]:
        self._command_bytes += len(response)
        if self._command_bytes > self._command_limit:
            raise ResponseTooLarge(response)
        tag, _, rest = response.partition(b" ")
        try:
            if tag == b"*":
                answer = answers.parse(rest)
                return [] if answer is None else [answer]
            if tag.rstrip(b"\r\n") == b"+":
                return [self._go_on(rest.strip())]
            if tag == self._tag:
                return [self._end(answers.parse_tagged(rest))]
        except Malformed:
            pass
        raise ProtocolViolation(response)

    def _go_on(self, text: bytes) -> Event:
        """The server asks for more. RFC 3501 §7.5."""
        if self._unsent:
            return WriteOn(self._unsent.popleft())
        if not self._is_sasl:
            raise Malformed("Nothing was to be sent")
        try:
            return Challenge(b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            raise Malformed("Not base64") from None

    def _end(self, told: Told) -> Told:
        self._tag = None
        self._unsent.clear()
        self._streams = self._is_sasl = False
        return told


def astring(octets: bytes) -> bytes | Literal:
    """`octets` as a word of a command. Raises Unsendable for NUL."""
    if b"\0" in octets:
        raise Unsendable
    if len(octets) > QUOTED_BYTES or _UNQUOTABLE.search(octets):
        return Literal(octets)
    return quoted(octets)
