"""CAPABILITY, NOOP, CHECK, ID, ENABLE, NAMESPACE, LOGOUT."""

from __future__ import annotations

from listeners.imap.carriers import carries_out
from listeners.imap.session import Session
from protocols.imap import commands
from protocols.imap.responses import (
    Capabilities,
    Enabled,
    Identification,
    Namespaces,
    Status,
    bye,
    ok,
)

_CAPABILITY_DONE = ok("CAPABILITY completed")
_NOOP_DONE = ok("NOOP completed")
_CHECK_DONE = ok("CHECK completed")
_ID_DONE = ok("ID completed")
_ENABLE_DONE = ok("ENABLE completed")
_NAMESPACE_DONE = ok("NAMESPACE completed")

_NAMESPACES = Namespaces(personal=("",)).encode()
# RFC 2971 §4: no version, which would help those who look for holes.
_OURSELVES = Identification((("name", "MailHost"),)).encode()
_CAN_BE_ENABLED: frozenset[str] = frozenset()


@carries_out(commands.Capability)
def capability(session: Session, command: commands.Capability) -> Status:
    session.send(Capabilities(session.capabilities).encode())
    return _CAPABILITY_DONE


@carries_out(commands.Noop)
def noop(session: Session, command: commands.Noop) -> Status:
    return _NOOP_DONE


@carries_out(commands.Check)
def check(session: Session, command: commands.Check) -> Status:
    # Every change is on the disk before it is answered.
    return _CHECK_DONE


@carries_out(commands.Id)
def identify(session: Session, command: commands.Id) -> Status:
    session.send(_OURSELVES)
    return _ID_DONE


@carries_out(commands.Enable)
def enable(session: Session, command: commands.Enable) -> Status:
    fresh = _CAN_BE_ENABLED.intersection(command.capabilities) - session.enabled
    session.enabled |= fresh
    session.send(Enabled(sorted(fresh)).encode())
    return _ENABLE_DONE


@carries_out(commands.Namespace)
def namespace(session: Session, command: commands.Namespace) -> Status:
    session.send(_NAMESPACES)
    return _NAMESPACE_DONE


@carries_out(commands.Logout)
def logout(session: Session, command: commands.Logout) -> None:
    session.send(bye("Logging out").encode())
    session.send(ok("LOGOUT completed").encode(session.tag))
    session.close()
