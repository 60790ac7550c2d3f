"""Binds IMAP sessions to ports, and holds what the sessions of one process share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from django.conf import settings as conf

from listeners.base import Listener, Visit
from listeners.context import Context
from listeners.doors import SweptDoor
from listeners.gate import Gate, Refusal, asks
from listeners.imap.commands import (
    append,
    basics,
    copy,
    fetch,
    folders,
    idle,
    login,
    quota,
    search,
    select,
    store,
)
from listeners.imap.details import AllDetails
from listeners.imap.openfolders import OpenFolders
from listeners.imap.session import Session
from listeners.tls import Certificates
from mailboxes import directory
from protocols.imap import responses
from switchboard.subscribe import Switchboard

# Each file of commands registers its own; named here so that all of them are loaded.
FAMILIES = (append, basics, copy, fetch, folders, idle, login, quota, search, select, store)

_REFUSALS = {
    Refusal.BLOCKED: responses.bye("Your address is blocked for now").encode(),
    Refusal.BLACKLISTED: responses.bye("Your address is blocked").encode(),
    Refusal.TOO_MANY: responses.bye("Too many connections", b"UNAVAILABLE").encode(),
    Refusal.TOO_MANY_FROM_ADDRESS: responses.bye("Too many connections from you").encode(),
}


class Door(SweptDoor[Session]):
    """What all IMAP sessions of a process share."""

    def __init__(self, hostname: str, certificates: Certificates, board: Switchboard) -> None:
        super().__init__(hostname, certificates)
        self.folders = OpenFolders(board)
        self.details = AllDetails()
        self.uidvalidities: dict[int, int] = {}  # by folder
        directory.follow(board)
        self._beside: set[asyncio.Task[object]] = set()
        self.greet = login.greet

    def run_beside(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Let it run without waiting for it; what it raises goes to the loop's log."""
        task = self.loop.create_task(coroutine)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def _sweep(self) -> None:
        super()._sweep()
        self.run_beside(self.folders.look_at_all())


def make_listener(context: Context) -> Listener:
    """The listener of one process."""
    door = Door(conf.MAILHOST_HOSTNAME, context.certificates, context.board)

    def make_session(visit: Visit) -> Session:
        return Session(door, visit)

    return Listener(
        "imap",
        make_session=make_session,
        refuse=lambda refusal: _REFUSALS[refusal],
        gate=Gate(door.limits, asks(context.guard, "imap")),
        certificates=context.certificates,
        shares_ports=context.shares_ports,
    )
