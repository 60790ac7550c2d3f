"""POP3 commands as values, read from a line and written to one. RFC 1939, 2449, 2595, 5034."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from protocols.pop3 import replies
from protocols.pop3.replies import Reply


class Malformed(Exception):
    """The line is not a well-formed command; `reply` says so to the client."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Command:
    """What every command has: a keyword, and by default no argument."""

    keyword: ClassVar[str] = ""

    def encode(self) -> bytes:
        """The line that a client sends, with its CRLF."""
        argument = self._argument()
        return f"{self.keyword}{' ' if argument else ''}{argument}\r\n".encode()

    def _argument(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class User(Command):
    """USER names the mailbox. RFC 1939 §7."""

    keyword = "USER"
    name: str

    def _argument(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Pass(Command):
    """PASS proves who it is; spaces belong to the password. RFC 1939 §7."""

    keyword = "PASS"
    password: str

    def _argument(self) -> str:
        return self.password

    def __repr__(self) -> str:
        return "Pass()"  # a password must not reach a log by way of a repr


@dataclass(frozen=True, slots=True)
class Auth(Command):
    """AUTH begins a SASL exchange; None means no initial response. RFC 5034 §4.

    An empty `mechanism` asks for the list of mechanisms, as clients older than CAPA do.
    """

    keyword = "AUTH"
    mechanism: str = ""
    initial_response: bytes | None = None

    def _argument(self) -> str:
        if self.initial_response is None:
            return self.mechanism
        # RFC 5034 §4: "=" is the empty response, apart from none at all.
        return f"{self.mechanism} {base64.b64encode(self.initial_response).decode() or '='}"

    def __repr__(self) -> str:
        return f"Auth(mechanism={self.mechanism!r})"


@dataclass(frozen=True, slots=True)
class _OneMessage(Command):
    number: int

    def _argument(self) -> str:
        return str(self.number)


@dataclass(frozen=True, slots=True)
class _MaybeOneMessage(Command):
    number: int | None = None

    def _argument(self) -> str:
        return "" if self.number is None else str(self.number)


class Retr(_OneMessage):
    keyword = "RETR"


class Dele(_OneMessage):
    keyword = "DELE"


class List(_MaybeOneMessage):
    """LIST: the size of one message, or of all. RFC 1939 §5."""

    keyword = "LIST"


class Uidl(_MaybeOneMessage):
    """UIDL: the unique id of one message, or of all. RFC 1939 §7."""

    keyword = "UIDL"


@dataclass(frozen=True, slots=True)
class Top(Command):
    """TOP: the headers of one message and the first `lines` of its body. RFC 1939 §7."""

    keyword = "TOP"
    number: int
    lines: int

    def _argument(self) -> str:
        return f"{self.number} {self.lines}"


class Stat(Command):
    keyword = "STAT"


class Noop(Command):
    keyword = "NOOP"


class Rset(Command):
    keyword = "RSET"


class Capa(Command):
    keyword = "CAPA"


class Stls(Command):
    keyword = "STLS"


class Utf8(Command):
    keyword = "UTF8"


class Quit(Command):
    keyword = "QUIT"


@dataclass(frozen=True, slots=True)
class AuthResponse(Command):
    """One line of a SASL exchange; None is the `*` that gives it up. RFC 5034 §4."""

    response: bytes | None

    def encode(self) -> bytes:
        return (b"*" if self.response is None else base64.b64encode(self.response)) + b"\r\n"

    def __repr__(self) -> str:
        return "AuthResponse()"


# Message numbers and line counts: nobody has ten thousand million of either.
_NUMBER = re.compile(r"[0-9]{1,10}")
_MECHANISM = re.compile(r"[A-Z0-9_-]{1,20}")  # RFC 4422 §3.1
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")


def parse(line: bytes) -> Command:
    """Read one line that came without its line end.

    Raises Malformed if it is no command or its argument is wrong.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise Malformed(replies.BAD_SYNTAX) from None
    if _UNSAFE.search(text):
        raise Malformed(replies.BAD_SYNTAX)
    keyword, _, argument = text.partition(" ")
    read = _PARSERS.get(keyword.upper())
    if read is None:
        raise Malformed(replies.UNKNOWN_COMMAND)
    return read(argument)


def parse_auth_response(line: bytes) -> AuthResponse:
    """Read one line of a SASL exchange. Raises Malformed if it is neither base64 nor `*`."""
    return AuthResponse(None if line == b"*" else _base64(line))


def _base64(text: str | bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(replies.BAD_BASE64) from None


def _number(argument: str) -> int:
    if _NUMBER.fullmatch(argument) is None:
        raise Malformed(replies.BAD_NUMBER)
    return int(argument)


def _message(argument: str) -> int:
    number = _number(argument)
    if number == 0:
        raise Malformed(replies.NO_SUCH_MESSAGE)
    return number


def _bare(command: type[Command]) -> Callable[[str], Command]:
    def read(argument: str) -> Command:
        if argument.strip():
            raise Malformed(replies.NO_ARGUMENT_EXPECTED)
        return command()

    return read


def _user(argument: str) -> User:
    name = argument.strip()
    if not name:
        raise Malformed(replies.ARGUMENT_MISSING)
    return User(name)


def _pass(argument: str) -> Pass:
    if not argument:
        raise Malformed(replies.ARGUMENT_MISSING)
    return Pass(argument)


def _auth(argument: str) -> Auth:
    mechanism, *rest = argument.strip().split(" ")
    if not mechanism:
        return Auth()
    if _MECHANISM.fullmatch(mechanism.upper()) is None or len(rest) > 1:
        raise Malformed(replies.BAD_SYNTAX)
    if not rest:
        return Auth(mechanism.upper())
    return Auth(mechanism.upper(), b"" if rest[0] == "=" else _base64(rest[0]))


def _one(command: type[_OneMessage]) -> Callable[[str], Command]:
    return lambda argument: command(_message(argument.strip()))


def _maybe_one(command: type[_MaybeOneMessage]) -> Callable[[str], Command]:
    def read(argument: str) -> Command:
        argument = argument.strip()
        return command(_message(argument) if argument else None)

    return read


def _top(argument: str) -> Top:
    words = argument.split()
    if len(words) != 2:
        raise Malformed(replies.ARGUMENT_MISSING)
    return Top(_message(words[0]), _number(words[1]))


_PARSERS: dict[str, Callable[[str], Command]] = {
    "USER": _user,
    "PASS": _pass,
    "AUTH": _auth,
    "TOP": _top,
    **{one.keyword: _one(one) for one in (Retr, Dele)},
    **{maybe.keyword: _maybe_one(maybe) for maybe in (List, Uidl)},
    **{bare.keyword: _bare(bare) for bare in (Stat, Noop, Rset, Capa, Stls, Utf8, Quit)},
}
