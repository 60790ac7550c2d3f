"""What a client asks, out of the octets of one message. RFC 4511 §4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from protocols.ldap import ber, filters
from protocols.ldap.ber import BOOLEAN, ENUMERATED, SEQUENCE, Malformed, Reader
from protocols.ldap.filters import Equals, Filter, TooComplex, Undefined

# RFC 4511 §4.1.1: the tags of requests, and those of the responses to them.
_BIND, _UNBIND, _SEARCH, _ABANDON, _COMPARE, _EXTENDED = 0x60, 0x42, 0x63, 0x50, 0x6E, 0x77
_WRITES = {0x66: (0x67, "modify"), 0x68: (0x69, "add"), 0x4A: (0x6B, "delete"),
           0x6C: (0x6D, "rename")}  # fmt: skip
_CONTROLS = 0xA0
_SIMPLE, _SASL = 0x80, 0xA3
_OID = 0x80
MOST_CONTROLS = 16
MOST_ATTRIBUTES = 256


class Scope(IntEnum):
    """RFC 4511 §4.5.1.2."""

    BASE = 0
    ONE = 1
    SUBTREE = 2


@dataclass(frozen=True, slots=True)
class Control:
    oid: str
    is_critical: bool
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Bind:
    """§4.2. `mechanism` is empty for a simple bind; then `credentials` is the password."""

    version: int
    name: str
    mechanism: str = ""
    credentials: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Unbind:
    """§4.3: there is no response, the connection ends."""


@dataclass(frozen=True, slots=True)
class Search:
    """§4.5.1. `scope` None: one that is unknown here. `filter` None: one that is too complex."""

    base: str
    scope: Scope | None
    size_limit: int | None
    time_limit_seconds: int | None
    types_only: bool
    filter: Filter | None
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare:
    """§4.10. `assertion` is Undefined for an attribute or a value that none has here."""

    name: str
    assertion: Equals | Undefined


@dataclass(frozen=True, slots=True)
class Abandon:
    """§4.11: there is no response."""

    message_id: int


@dataclass(frozen=True, slots=True)
class Extended:
    """§4.12."""

    oid: str


@dataclass(frozen=True, slots=True)
class Write:
    """§4.6 to §4.9: whatever it is, it is refused by a response of this tag."""

    response_tag: int
    what: str


Operation = Bind | Unbind | Search | Compare | Abandon | Extended | Write


@dataclass(frozen=True, slots=True)
class Message:
    id: int  # from 1 on; 0 is the server's own
    operation: Operation
    controls: tuple[Control, ...] = ()


def parse(octets: bytes) -> Message:
    """One whole LDAPMessage. Raises Malformed: the session has to end then (§4.1.1)."""
    envelope = Reader(octets).enter(SEQUENCE)
    message_id = envelope.integer()
    if message_id == 0:
        raise Malformed("the number of a message is 0")
    operation = _operation(envelope)
    controls: tuple[Control, ...] = ()
    if not envelope.is_at_end and envelope.tag == _CONTROLS:
        controls = _controls(envelope.enter(_CONTROLS))
    return Message(message_id, operation, controls)


def _operation(envelope: Reader) -> Operation:
    tag = envelope.tag
    if tag == _ABANDON:
        return Abandon(envelope.integer(_ABANDON))
    within = envelope.enter()
    if tag in _READ:
        return _READ[tag](within)
    if tag in _WRITES:
        return Write(*_WRITES[tag])
    raise Malformed(f"no request has tag {tag:#04x}")


def _bind(within: Reader) -> Bind:
    version, name = within.integer(), within.text()
    if within.is_at_end:
        raise Malformed("a bind without credentials")
    if within.tag == _SIMPLE:
        return Bind(version, name, "", within.octets(_SIMPLE))
    if within.tag == _SASL:
        sasl = within.enter(_SASL)
        mechanism = sasl.text().upper()
        return Bind(version, name, mechanism or "?", None if sasl.is_at_end else sasl.octets())
    return Bind(version, name, "?")  # a choice that is not known: §4.2 allows for more


def _search(within: Reader) -> Search:
    base = within.text()
    scope = within.integer(ENUMERATED)
    within.integer(ENUMERATED)  # there are no aliases, in the sense of X.500, to dereference
    size_limit, time_limit = within.integer(), within.integer()
    types_only = within.boolean()
    wanted: Filter | None
    alone = within.alone()  # passed over, even where the filter is not read to its end
    try:
        wanted = filters.read(alone)
    except TooComplex:
        wanted = None
    listed = within.enter(SEQUENCE)
    attributes: list[str] = []
    while not listed.is_at_end:
        attributes.append(listed.text())
        if len(attributes) > MOST_ATTRIBUTES:
            raise Malformed("too many attributes")
    return Search(
        base, Scope(scope) if scope <= Scope.SUBTREE else None, size_limit or None,
        time_limit or None, types_only, wanted, tuple(attributes),
    )  # fmt: skip


def _compare(within: Reader) -> Compare:
    name = within.text()
    assertion = within.enter(SEQUENCE)
    return Compare(name, filters.equality(assertion.text(), assertion.octets()))


def _extended(within: Reader) -> Extended:
    return Extended(within.text(_OID))


_READ: dict[int, Callable[[Reader], Operation]] = {
    _BIND: _bind,
    _UNBIND: lambda within: Unbind(),
    _SEARCH: _search,
    _COMPARE: _compare,
    _EXTENDED: _extended,
}


def _controls(within: Reader) -> tuple[Control, ...]:
    found: list[Control] = []
    while not within.is_at_end:
        control = within.enter(SEQUENCE)
        oid = control.text()
        is_critical = not control.is_at_end and control.tag == BOOLEAN and control.boolean()
        value = None if control.is_at_end else control.octets()
        found.append(Control(oid, is_critical, value))
        if len(found) > MOST_CONTROLS:
            raise Malformed("too many controls")
    return tuple(found)


def search(message_id: int, base: str, scope: Scope, wanted: bytes) -> bytes:
    """What a client sends; `wanted` is a filter in BER."""
    zero = ber.integer(0)
    operation = ber.element(
        _SEARCH, ber.string(base), ber.integer(scope, ENUMERATED), ber.integer(0, ENUMERATED),
        zero, zero, ber.boolean(False), wanted, ber.element(SEQUENCE),
    )  # fmt: skip
    return ber.element(SEQUENCE, ber.integer(message_id), operation)


# What anybody may ask: "what server are you?"
EXAMINE_ROOT = search(1, "", Scope.BASE, ber.string("objectClass", 0x87))
