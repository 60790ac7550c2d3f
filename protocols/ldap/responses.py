"""What the server answers, as octets. RFC 4511 §4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protocols.ldap import ber
from protocols.ldap.ber import ENUMERATED, SEQUENCE, SET
from protocols.ldap.requests import Bind, Compare, Extended, Operation, Search, Write
from protocols.ldap.results import Result, ResultCode

START_TLS = "1.3.6.1.4.1.1466.20037"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"  # RFC 4532
CHANGE_PASSWORD = "1.3.6.1.4.1.4203.1.11.1"  # noqa: S105  # RFC 3062: a number, no password
NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"

_BIND, _ENTRY, _SEARCH_DONE, _COMPARE, _EXTENDED = 0x61, 0x64, 0x65, 0x6F, 0x78
_TAGS: dict[type[Operation], int] = {
    Bind: _BIND, Search: _SEARCH_DONE, Compare: _COMPARE, Extended: _EXTENDED,
}  # fmt: skip
_CONTROLS, _OID, _OID_VALUE = 0xA0, 0x8A, 0x8B


def done(
    message_id: int,
    operation: Operation,
    result: Result,
    *,
    control: bytes = b"",
    oid: str = "",
    value: str | None = None,
) -> bytes:
    """The last response to a request; `oid` and `value` are those of an extended one."""
    tag = operation.response_tag if isinstance(operation, Write) else _TAGS[type(operation)]
    extra = (ber.string(oid, _OID) if oid else b"") + (
        b"" if value is None else ber.string(value, _OID_VALUE)
    )
    controls = ber.element(_CONTROLS, control) if control else b""
    return _message(message_id, ber.element(tag, _result(result), extra), controls)


def entry(message_id: int, name: str, attributes: Mapping[str, Iterable[str]]) -> bytes:
    """One entry of a search; attributes without values show their types only."""
    listed = b"".join(
        ber.element(
            SEQUENCE,
            ber.string(attribute),
            ber.element(SET, *(ber.string(value) for value in values)),
        )
        for attribute, values in attributes.items()
    )
    found = ber.element(_ENTRY, ber.string(name), ber.element(SEQUENCE, listed))
    return _message(message_id, found)


def notice(code: ResultCode, text: str) -> bytes:
    """The server is about to hang up. RFC 4511 §4.4.1."""
    name = ber.string(NOTICE_OF_DISCONNECTION, _OID)
    return _message(0, ber.element(_EXTENDED, _result(Result(code, text)), name))


def _result(result: Result) -> bytes:
    return (
        ber.integer(result.code, ENUMERATED) + ber.string(result.matched) + ber.string(result.text)
    )


def _message(message_id: int, operation: bytes, controls: bytes = b"") -> bytes:
    return ber.element(SEQUENCE, ber.integer(message_id), operation, controls)
