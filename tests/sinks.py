"""A scripted SMTP server on loopback: takes mail, refuses, babbles, hangs up or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field

CLOSE = b"<close>"  # as an answer: hang up
HANG = b"<hang>"  # as an answer: say nothing for ever


@dataclass
class Taken:
    """One message the sink has got."""

    mail: str
    rcpts: list[str]
    body: bytes
    is_encrypted: bool
    session: int


@dataclass
class Sink:
    """`answers` maps the start of a command, or `.` for the end of data, to an answer.

    The longest start that fits wins: {"RCPT TO:<bad@": b"550 5.1.1 no"}.
    """

    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SIZE 10000000")
    answers: dict[str, bytes] = field(default_factory=dict)
    greeting: bytes = b"220 sink.test ESMTP"
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    sessions: int = 0
    clients: set[str] = field(default_factory=set)  # their addresses

    async def __aenter__(self) -> Sink:
        await self.open()
        return self

    async def __aexit__(self, *_details: object) -> None:
        await self.shut()

    async def open(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()
        self._end = asyncio.Event()
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        self._server.close()
        self._end.set()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.taken]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        self._writers.add(writer)
        self.clients.add(writer.get_extra_info("peername")[0])
        try:
            await self._converse(reader, writer, self.sessions)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, _Over):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: int
    ) -> None:
        await self._say(writer, self.greeting)
        mail, rcpts, is_encrypted = "", [], False
        body = b""
        while line := await reader.readline():
            command = line.decode("utf-8", "replace").rstrip("\r\n")
            self.commands.append(command)
            verb = command[:4].upper()
            answer = self._scripted(command)
            if verb == "EHLO" and answer is None:
                answer = "".join(f"250-{name}\r\n" for name in ("sink.test", *self._offer()))
                await self._say(writer, answer.encode() + b"250 HELP")
                continue
            if verb == "STAR" and answer is None and self.tls is not None:
                await self._say(writer, b"220 go")
                await writer.start_tls(self.tls)
                is_encrypted = True
                continue
            if verb == "BDAT":
                size = int(command.split()[1])
                body += await reader.readexactly(size)
                if answer is None and command.endswith("LAST"):
                    if rcpts:
                        self.taken.append(Taken(mail, rcpts, body, is_encrypted, session))
                    else:
                        answer = b"503 5.5.1 no recipients"
                    mail, rcpts, body = "", [], b""
            if verb == "DATA" and answer is None:
                if not rcpts:
                    await self._say(writer, b"503 5.5.1 no recipients")
                    continue
                await self._say(writer, b"354 go")
                body = await self._read_data(reader)
                answer = self._scripted(".")
                if answer is None:
                    self.taken.append(Taken(mail, rcpts, body, is_encrypted, session))
                mail, rcpts, body = "", [], b""
            await self._say(writer, answer or b"250 2.0.0 ok")
            if verb == "MAIL":
                mail, rcpts = command, []
            elif verb == "RCPT" and answer is None:
                rcpts.append(command)
            elif verb == "QUIT":
                return

    def _offer(self) -> tuple[str, ...]:
        return (*self.extensions, "STARTTLS") if self.tls else self.extensions

    def _scripted(self, command: str) -> bytes | None:
        fitting = [start for start in self.answers if command.upper().startswith(start.upper())]
        return self.answers[max(fitting, key=len)] if fitting else None

    async def _say(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        if answer == CLOSE:
            raise _Over
        if answer == HANG:
            await self._end.wait()
            raise _Over
        with contextlib.suppress(ConnectionError):
            writer.write(answer + b"\r\n")
            await writer.drain()

    async def _read_data(self, reader: asyncio.StreamReader) -> bytes:
        lines = []
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                raise _Over
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


class _Over(Exception):
    """The sink hangs up."""
