"""What follows the names of the commands about the session: ID, AUTHENTICATE, LOGIN, ENABLE."""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Final

from protocols.imap import commands
from protocols.imap.errors import Malformed
from protocols.imap.grammar import Cursor

MAX_ID_FIELDS: Final = 30  # RFC 2971 §3.3
_BASE64: Final = re.compile(rb"=|(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def decode_response(line: bytes) -> bytes:
    """A SASL response in base64, where `=` is an empty one. RFC 4959 §3. Raises Malformed."""
    if _BASE64.fullmatch(line) is None:
        raise Malformed("Bad base64")
    try:
        return b"" if line == b"=" else a2b_base64(line)
    except Base64Error as reason:
        raise Malformed("Bad base64") from reason


def parse_id(cursor: Cursor) -> commands.Command:
    cursor.space()
    if cursor.skip(b"NIL"):
        cursor.end()
        return commands.Id(None)

    def field() -> tuple[bytes, bytes | None]:
        name = cursor.string()
        cursor.space()
        return name, cursor.nstring()

    fields = cursor.listed(field, may_be_empty=True)
    if len(fields) > MAX_ID_FIELDS:
        raise Malformed("Too many ID fields")
    cursor.end()
    return commands.Id(tuple(fields))


def parse_authenticate(cursor: Cursor) -> commands.Command:
    cursor.space()
    mechanism = cursor.keyword()
    initial = None
    if not cursor.at_end():
        cursor.space()
        initial = decode_response(cursor.take(_BASE64, "base64"))
    cursor.end()
    return commands.Authenticate(mechanism, initial)


def parse_login(cursor: Cursor) -> commands.Command:
    cursor.space()
    name = cursor.astring()
    cursor.space()
    password = cursor.astring()
    cursor.end()
    return commands.Login(name, password)


def parse_enable(cursor: Cursor) -> commands.Command:
    capabilities: list[str] = []
    while not cursor.at_end() or not capabilities:
        cursor.space()
        capabilities.append(cursor.keyword())
    return commands.Enable(tuple(capabilities))
