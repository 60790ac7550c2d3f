"""Binds POP3 sessions to ports, and holds what the sessions of one process share."""

from __future__ import annotations

from django.conf import settings as conf

from listeners.base import Listener, Visit
from listeners.context import Context
from listeners.doors import SweptDoor
from listeners.gate import Gate, Refusal, asks
from listeners.pop3 import commands
from listeners.pop3.session import Session
from listeners.tls import Certificates
from protocols.pop3 import replies

_REFUSALS = {
    Refusal.BLOCKED: replies.BLOCKED_FOR_NOW,
    Refusal.BLACKLISTED: replies.BLOCKED,
    Refusal.TOO_MANY: replies.TOO_MANY_SESSIONS,
    Refusal.TOO_MANY_FROM_ADDRESS: replies.TOO_MANY_SESSIONS,
}


class Door(SweptDoor[Session]):
    """What all POP3 sessions of a process share."""

    def __init__(self, hostname: str, certificates: Certificates) -> None:
        super().__init__(hostname, certificates)
        self.greeting = replies.ok(f"{hostname} ready").encode()
        self.carry_out = commands.CARRIERS


def make_listener(context: Context) -> Listener:
    """The listener of one process."""
    door = Door(conf.MAILHOST_HOSTNAME, context.certificates)

    def make_session(visit: Visit) -> Session:
        return Session(door, visit)

    return Listener(
        "pop",
        make_session=make_session,
        refuse=lambda refusal: _REFUSALS[refusal].encode(),
        gate=Gate(door.limits, asks(context.guard, "pop")),
        certificates=context.certificates,
        shares_ports=context.shares_ports,
    )
