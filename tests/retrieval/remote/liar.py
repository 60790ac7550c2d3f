"""A scripted server on loopback that says what no server should: POP3 or IMAP, line by line."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from retrieval.remote.server import Remote, Security


@dataclass(frozen=True)
class Close:
    """Say this, then hang up."""

    octets: bytes = b""


@dataclass(frozen=True)
class Hang:
    """Say this, then nothing for ever."""

    octets: bytes = b""


@dataclass(frozen=True)
class Drip:
    """Say this octet by octet, slowly."""

    octets: bytes
    seconds: float = 0.05


@dataclass(frozen=True)
class Endless:
    """Say this, then repeat `octets` until nobody listens."""

    first: bytes
    octets: bytes


_TAGGED = re.compile(rb"a\d+ ")
Answer = bytes | Close | Hang | Drip | Endless


@dataclass
class Liar:
    """`answers` maps the start of a command, without its tag, to what is said; `%t` is the tag.

    The longest start that fits wins; what fits nothing gets `otherwise`.
    """

    answers: dict[bytes, Answer]
    otherwise: Answer
    greeting: Answer
    has_tags: bool = False
    tls: ssl.SSLContext | None = None  # begun after the answer to STLS or STARTTLS
    port: int = 0
    commands: list[bytes] = field(default_factory=list)
    sent_bytes: int = 0
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)  # by the other side

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Liar]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._over = asyncio.Event()
        self._sessions: set[asyncio.Task[None]] = set()
        try:
            yield self
        finally:
            server.close()
            self._over.set()
            if self._sessions:
                await asyncio.wait(self._sessions, timeout=5)

    def remote(self, security: Security = Security.NONE, **values) -> Remote:
        given = {"username": "anne", "password": "secret", "verifies": False, **values}
        return Remote(given.pop("host", "127.0.0.1"), self.port, security, **given)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        try:
            await self._say(reader, writer, self.greeting, b"")
            tag = b""
            while line := await reader.readline():
                command = line.rstrip(b"\r\n")
                if self.has_tags and _TAGGED.match(command):
                    tag, _, command = command.partition(b" ")
                self.commands.append(command)
                answer = self._answer(command)
                await self._say(reader, writer, answer, tag)
                if self.tls is not None and command.upper() in (b"STLS", b"STARTTLS"):
                    await writer.start_tls(self.tls)
            self.hung_up.set()
        except (OSError, ssl.SSLError, _Over):
            self.hung_up.set()
        finally:
            self._sessions.discard(task)
            writer.close()

    def _answer(self, command: bytes) -> Answer:
        fitting = [start for start in self.answers if command.upper().startswith(start.upper())]
        return self.answers[max(fitting, key=len)] if fitting else self.otherwise

    async def _say(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, tag: bytes
    ) -> None:
        if isinstance(answer, Drip):
            for octet in answer.octets.replace(b"%t", tag):
                await self._write(writer, bytes([octet]))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(answer.seconds):
                        await self._over.wait()
                        raise _Over
            return
        first = answer if isinstance(answer, bytes) else getattr(answer, "first", None)
        await self._write(writer, (answer.octets if first is None else first).replace(b"%t", tag))
        if isinstance(answer, Close):
            raise _Over
        if isinstance(answer, Hang):
            await reader.read()
            raise _Over
        while isinstance(answer, Endless) and not self._over.is_set():
            await self._write(writer, answer.octets)

    async def _write(self, writer: asyncio.StreamWriter, octets: bytes) -> None:
        writer.write(octets)
        await writer.drain()
        self.sent_bytes += len(octets)


class _Over(Exception):
    pass


def pop3(
    answers: dict[bytes, Answer] | None = None, *, greeting: Answer = b"+OK ready\r\n", **settings
) -> Liar:
    """An honest server with one message, but for `answers`."""
    honest: dict[bytes, Answer] = {
        b"CAPA": b"+OK\r\nUIDL\r\nUSER\r\n.\r\n",
        b"UIDL": b"+OK\r\n1 one\r\n.\r\n",
        b"LIST": b"+OK\r\n1 12\r\n.\r\n",
        b"RETR": b"+OK\r\nSubject: x\r\n.\r\n",
    }
    return Liar(honest | (answers or {}), b"+OK\r\n", greeting, **settings)


def imap(
    answers: dict[bytes, Answer] | None = None,
    *,
    greeting: Answer = b"* OK ready\r\n",
    capabilities: bytes = b"IMAP4rev1 UIDPLUS CONDSTORE",
    otherwise: Answer = b"%t OK\r\n",
    **settings,
) -> Liar:
    """An honest server with one message, but for `answers`."""
    honest: dict[bytes, Answer] = {
        b"CAPABILITY": b"* CAPABILITY " + capabilities + b"\r\n%t OK\r\n",
        b"LIST": b'* LIST () "/" INBOX\r\n%t OK\r\n',
        b"SELECT": SELECTED,
        b"EXAMINE": SELECTED,
        b"UID FETCH 1:*": ITEM + b"%t OK\r\n",
        b"UID FETCH": b"* 1 FETCH (UID 5 BODY[] {12}\r\nSubject: x\r\n)\r\n%t OK\r\n",
    }
    said = honest | (answers or {})
    return Liar(said, otherwise, greeting, has_tags=True, **settings)


SELECTED = (
    b"* FLAGS (\\Seen)\r\n* 1 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 7] ok\r\n"
    b"* OK [UIDNEXT 6] ok\r\n* OK [HIGHESTMODSEQ 9] ok\r\n%t OK [READ-WRITE] selected\r\n"
)
ITEM = (
    b'* 1 FETCH (UID 5 FLAGS (\\Seen) RFC822.SIZE 12 INTERNALDATE " 1-Feb-2026 10:00:00 +0100")\r\n'
)
