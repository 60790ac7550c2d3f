"""POP3 replies: +OK or -ERR, a response code and a line of text. RFC 1939 §3, RFC 2449 §8."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answers to one command, in one line.

    Strangers read the text: it says what went wrong for them, never how this server is built.
    """

    is_ok: bool
    text: str
    code: str = ""  # RFC 2449 §8, RFC 3206: "AUTH", "SYS/TEMP", "IN-USE"; empty for none

    def encode(self) -> bytes:
        code = f"[{self.code}] " if self.code else ""
        return f"{'+OK' if self.is_ok else '-ERR'} {code}{self.text}\r\n".encode()


def ok(text: str) -> Reply:
    return Reply(True, text)


def error(text: str, code: str = "") -> Reply:
    return Reply(False, text, code)


def challenge(data: bytes) -> bytes:
    """One step of a SASL exchange. RFC 5034 §4."""
    return b"+ " + base64.b64encode(data) + b"\r\n"


def listing(first: Reply, lines: Iterable[str]) -> bytes:
    """A multi-line reply whose lines never begin with a dot: LIST, UIDL, CAPA. RFC 1939 §3."""
    return first.encode() + "".join(f"{line}\r\n" for line in lines).encode() + b".\r\n"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What CAPA tells. RFC 2449 §6."""

    mechanisms: tuple[str, ...] = ()  # of SASL; empty where no login is allowed now
    may_start_tls: bool = False
    may_user: bool = False  # clear-text USER and PASS are allowed now

    def encode(self) -> bytes:
        lines = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"]
        lines.append("UTF8 USER")  # RFC 6856 §2.1: names and passwords may be UTF-8 as well
        if self.may_user:
            lines.append("USER")
        if self.mechanisms:
            lines.append("SASL " + " ".join(self.mechanisms))
        if self.may_start_tls:
            lines.append("STLS")
        return listing(ok("Capabilities follow"), lines)


UNKNOWN_COMMAND = error("Unknown command")
BAD_SYNTAX = error("Syntax error")
BAD_BASE64 = error("This is not base64")
BAD_NUMBER = error("A number is expected")
ARGUMENT_MISSING = error("Argument missing")
NO_ARGUMENT_EXPECTED = error("This command takes no argument")
LINE_TOO_LONG = error("Line too long")
TOO_MANY_ERRORS = error("Too many errors, goodbye")
NOT_NOW = error("This command is not possible now")

NO_SUCH_MESSAGE = error("No such message")
MESSAGE_DAMAGED = error("This message cannot be read", "SYS/PERM")
ALREADY_DELETED = error("This message is deleted")

NAME_OK = ok("Now the password")
LOGGED_IN = ok("Logged in")
LOGIN_FAILED = error("Login failed", "AUTH")  # RFC 3206 §4
TOO_MANY_FAILED_LOGINS = error("Login failed too often, goodbye", "AUTH")
TOO_MANY_LOGINS = error("Too many sessions of yours are open", "SYS/TEMP")
MAILDROP_IN_USE = error("The mailbox is in use by another session", "IN-USE")
CLEAR_TEXT_REFUSED = error("Passwords need TLS here, use STLS first", "AUTH")
AUTH_MALFORMED = error("This response does not fit the mechanism")
AUTH_CANCELLED = error("Authentication given up")
NO_SUCH_MECHANISM = error("This mechanism is not offered")

BEGIN_TLS = ok("Begin TLS now")
TLS_ALREADY = error("TLS is on already")
TLS_UNAVAILABLE = error("TLS is not available", "SYS/TEMP")
UTF8_ON = ok("UTF8 is on")

NOTHING_TO_SAY = ok("Here")
UNDELETED = ok("Nothing is marked as deleted any more")
GOODBYE = ok("Goodbye")
NOT_ALL_REMOVED = error("Some messages could not be removed", "SYS/TEMP")

SERVER_FAULT = error("The server has a problem, try again later", "SYS/TEMP")
TOO_MANY_SESSIONS = error("Too many sessions, try again later", "SYS/TEMP")
BLOCKED_FOR_NOW = error("Your address is blocked for now", "SYS/TEMP")  # RFC 3206 §4
BLOCKED = error("Your address is blocked", "SYS/PERM")
