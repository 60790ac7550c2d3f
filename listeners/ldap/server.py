"""Binds LDAP sessions to ports, and holds what the sessions of one process share."""

from __future__ import annotations

import asyncio

from django.conf import settings as conf

from listeners.base import Listener, Visit
from listeners.context import Context
from listeners.doors import SweptDoor
from listeners.gate import Gate, Refusal, asks
from listeners.ldap.session import Session
from listeners.tls import Certificates
from protocols.ldap import responses
from protocols.ldap.requests import EXAMINE_ROOT
from protocols.ldap.results import ResultCode

SEARCHES_AT_ONCE = 2

# RFC 4511 §4.4.1: whoever is turned away is told why before the connection ends.
_REFUSALS = {
    Refusal.BLOCKED: "Your address is blocked for a while.",
    Refusal.BLACKLISTED: "Your address is blocked.",
    Refusal.TOO_MANY: "Too many sessions; try again later.",
    Refusal.TOO_MANY_FROM_ADDRESS: "Too many sessions; try again later.",
}


class Door(SweptDoor[Session]):
    """What all LDAP sessions of a process share."""

    def __init__(self, hostname: str, certificates: Certificates) -> None:
        super().__init__(hostname, certificates)
        # Searches leave threads and processor to mail, however many there are.
        self.turns = asyncio.Semaphore(SEARCHES_AT_ONCE)


def make_listener(context: Context) -> Listener:
    """The listener of one process."""
    door = Door(conf.MAILHOST_HOSTNAME, context.certificates)

    def make_session(visit: Visit) -> Session:
        return Session(door, visit)

    return Listener(
        "ldap",
        make_session=make_session,
        refuse=_refuse,
        gate=Gate(door.limits, asks(context.guard, "ldap")),
        certificates=context.certificates,
        shares_ports=context.shares_ports,
        question=EXAMINE_ROOT,
    )


def _refuse(refusal: Refusal) -> bytes:
    return responses.notice(ResultCode.UNAVAILABLE, _REFUSALS[refusal])
