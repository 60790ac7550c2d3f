"""The server's side of a POP3 connection without its socket: bytes in, legal commands out."""

from __future__ import annotations

from enum import Enum, auto

from protocols.pop3 import commands, replies
from protocols.pop3.commands import (
    Auth,
    AuthResponse,
    Capa,
    Command,
    Dele,
    List,
    Malformed,
    Noop,
    Pass,
    Quit,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
    User,
    Utf8,
)
from protocols.pop3.replies import Reply


class State(Enum):
    """Where a session stands. RFC 1939 §3."""

    AUTHORIZATION = auto()
    NAMED = auto()  # USER was accepted, PASS is awaited
    SASL = auto()  # the next lines belong to the exchange
    TRANSACTION = auto()
    CLOSED = auto()  # after QUIT, or after too many errors


ANY_TIME: frozenset[type[Command]] = frozenset({Capa, Quit})
BEFORE_LOGIN: frozenset[type[Command]] = ANY_TIME | {User, Auth, Stls, Utf8}

# What is legal when; NOOP before login is no one's right (RFC 1939 §5) and costs nothing to refuse.
LEGAL: dict[State, frozenset[type[Command]]] = {
    State.AUTHORIZATION: BEFORE_LOGIN,
    State.NAMED: BEFORE_LOGIN | {Pass},
    State.SASL: frozenset({AuthResponse}),
    State.TRANSACTION: ANY_TIME | {Stat, List, Retr, Dele, Noop, Rset, Top, Uidl},
    State.CLOSED: frozenset(),
}

# RFC 2449 §4 asks for 255 octets; AUTH with an initial response and a long address needs more.
COMMAND_LINE_BYTES = 2048
AUTH_LINE_BYTES = 12288  # RFC 5034 §4: as large as the mechanisms need
BAD_COMMANDS = 8  # N-007, unless the session says otherwise


class Connection:
    """Lines out of bytes, commands out of lines, and whether each is legal now.

    The session feeds `receive`, then takes from `next_command` until it gives None, and moves the
    state by `change_to` as its answers decide.
    """

    __slots__ = (
        "_buffer", "_is_skipping", "_scanned", "_waits_for_tls", "allowed_bad_commands",
        "bad_commands", "state",
    )  # fmt: skip

    def __init__(self) -> None:
        self.state = State.AUTHORIZATION
        self.bad_commands = 0
        self.allowed_bad_commands = BAD_COMMANDS
        self._buffer = bytearray()
        self._scanned = 0  # octets of the buffer known to hold no LF
        self._is_skipping = False  # inside a line that was too long
        self._waits_for_tls = False

    def receive(self, data: bytes) -> None:
        """Take bytes from the client; the caller stops reading while `is_full`."""
        if self._waits_for_tls or self.state is State.CLOSED:
            return  # RFC 2595 §4, §9: nothing sent in clear after STLS may act behind TLS
        self._buffer += data

    @property
    def is_full(self) -> bool:
        """Enough is buffered to go on with: the reader may pause until commands are taken."""
        return len(self._buffer) > AUTH_LINE_BYTES

    def next_command(self) -> Command | Reply | None:
        """The next legal command; a Reply that refuses what came instead; None for more bytes."""
        if self._waits_for_tls or self.state is State.CLOSED:
            return None
        try:
            line = self._next_line()
            if line is None:
                return None
            command = self._parse(line)
        except Malformed as malformed:
            return self._refuse(malformed.reply)
        if type(command) not in LEGAL[self.state]:
            return self._refuse(replies.NOT_NOW)
        if self.state is State.NAMED and not isinstance(command, Pass | Capa):
            self.state = State.AUTHORIZATION  # RFC 1939 §7: PASS follows USER immediately
        return command

    def change_to(self, state: State) -> None:
        self.state = state
        if state is State.CLOSED:
            self._buffer.clear()

    def await_tls(self) -> None:
        """STLS was accepted: forget what came behind it, and what comes until TLS has begun."""
        self._buffer.clear()
        self._scanned = 0
        self._waits_for_tls = True

    def tls_started(self) -> None:
        """The client starts afresh behind TLS. RFC 2595 §4."""
        self._waits_for_tls = False
        self.state = State.AUTHORIZATION

    def _parse(self, line: bytes) -> Command:
        if self.state is State.SASL:
            return commands.parse_auth_response(line)
        return commands.parse(line)

    def _refuse(self, reply: Reply) -> Reply:
        if self.state in (State.SASL, State.NAMED):
            self.state = State.AUTHORIZATION  # RFC 5034 §4: a bad response ends the exchange
        self.bad_commands += 1
        if self.bad_commands > self.allowed_bad_commands:
            self.change_to(State.CLOSED)
            return replies.TOO_MANY_ERRORS
        return reply

    def _next_line(self) -> bytes | None:
        """One line without its end. Raises Malformed once for each line over the limit."""
        limit = AUTH_LINE_BYTES if self.state is State.SASL else COMMAND_LINE_BYTES
        while (at := self._buffer.find(b"\n", self._scanned)) >= 0:
            line = bytes(self._buffer[:at]).removesuffix(b"\r")
            del self._buffer[: at + 1]
            self._scanned = 0
            if self._is_skipping:
                self._is_skipping = False
                continue
            if at >= limit:
                raise Malformed(replies.LINE_TOO_LONG)
            return line
        self._scanned = len(self._buffer)
        if self._scanned < limit:
            return None
        self._buffer.clear()
        self._scanned = 0
        if self._is_skipping:
            return None
        self._is_skipping = True
        raise Malformed(replies.LINE_TOO_LONG)
