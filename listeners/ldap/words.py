"""What passes in a session, in words for logs and transcripts: no passwords, no entries."""

from __future__ import annotations

from protocols.ldap.requests import Bind, Compare, Extended, Operation, Search, Write
from protocols.ldap.results import Result

SHOWN_CHARACTERS = 300


def of_request(operation: Operation) -> str:
    match operation:
        case Bind(name=name, mechanism=mechanism):
            return f"bind as {_clean(name)} by {_clean(mechanism) or 'password'} ***"
        case Search(base=base, scope=scope, attributes=attributes, filter=wanted):
            asked = ", ".join(attributes) or "all attributes"
            return _clean(
                f"search in {base or 'the root'}, scope {'?' if scope is None else scope.name},"
                f" for {asked}: {wanted}"
            )
        case Compare(name=name, assertion=assertion):
            return _clean(f"compare {name}: {assertion}")
        case Extended(oid=oid):
            return f"extended operation {_clean(oid)}"
        case Write(what=what):
            return what
    return type(operation).__name__.lower()


def of_result(result: Result, entries: int = 0) -> str:
    found = f", {entries} entries" if entries else ""
    return f"{result.code.words}{found}{f': {result.text}' if result.text else ''}"


def _clean(text: str) -> str:
    """On one line, and not too long."""
    shown = "".join(
        each if each.isprintable() else f"\\u{ord(each):04x}" for each in text[:SHOWN_CHARACTERS]
    )
    return shown if len(text) <= SHOWN_CHARACTERS else f"{shown}…"
