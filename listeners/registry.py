"""Tells the registry of connections what this process has, and ends what it is told to end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import replace

import structlog
from django.conf import settings
from django.db import DatabaseError

from blobs.committer import process_committer
from blobs.ids import new_id, time_of
from clock.moments import utc_now
from listeners import bridge
from listeners.base import Listener, Visit
from listeners.gate import plain_address
from operations import connections
from operations.connections import Changes, OpenConnection
from operations.tally import TALLY
from spool.agents import openconnections
from spool.agents.openconnections import OutboundConnection
from switchboard.subscribe import Switchboard
from switchboard.topics import Note, Topic

log = structlog.get_logger(__name__)

# Sessions shorter than this cost the registry nothing.
TELL_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0

# struct tcp_info of Linux: tcpi_bytes_acked and tcpi_bytes_received. The kernel counts anyway,
# so the sessions themselves need not.
_TCP_INFO_BYTES = 136
_SENT, _RECEIVED = slice(120, 128), slice(128, 136)


class Registry:
    """Every second it writes the difference between what is open and what the table says."""

    def __init__(self, board: Switchboard, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners
        self.process_id = new_id()
        self._told: dict[int, OpenConnection] = {}
        self._last_told = 0.0
        board.subscribe(Topic.SESSION, None, self._end_sessions)

    async def enter(self) -> None:
        """From here on other rows may refer to this process."""
        await bridge.ask(
            connections.enter, process_id=self.process_id, node=settings.MAILHOST_NODE,
            pid=os.getpid(), now=utc_now(),
        )  # fmt: skip

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(TELL_SECONDS)
            try:
                await self._tell()
            except Exception:
                log.exception("the registry of sessions could not be written")

    async def leave(self) -> None:
        """From here on no row may refer to this process: nothing that would is being written."""
        try:
            await bridge.ask(connections.leave, process_id=self.process_id)
        except DatabaseError:
            log.warning("the registry still has this process; the next one will remove it")

    async def _tell(self) -> None:
        now = asyncio.get_running_loop().time()
        is_heartbeat = now - self._last_told > HEARTBEAT_SECONDS
        visits = {
            visit.id: visit
            for listener in self._listeners
            for visit in listener.visits
            if not visit.is_probe
        }
        described = {
            number: self._describe(visit, counts=is_heartbeat) for number, visit in visits.items()
        }
        for one in openconnections.current():
            described[one.connection_id] = self._describe_outbound(one, counts=is_heartbeat)
        opened = [one for number, one in described.items() if number not in self._told]
        changed = [
            one
            for number, one in described.items()
            if number in self._told and one != self._told[number]
        ]
        closed = [number for number in self._told if number not in described]
        if not (opened or changed or closed or is_heartbeat):
            return
        self._last_told = now
        changes = Changes(
            process_id=self.process_id,
            node=settings.MAILHOST_NODE,
            pid=os.getpid(),
            now=utc_now(),
            opened=opened,
            changed=changed,
            closed=closed,
            tallied=TALLY.take(),
        )
        is_known = await process_committer().commit(changes)
        self._told = described if is_known else {}

    def _describe(self, visit: Visit, *, counts: bool) -> OpenConnection:
        """`counts`: look at the bytes too, which costs a call of the system."""
        told = self._told.get(visit.id)
        if told is not None and not counts and told.account_id == visit.account_id:
            return told
        transport = None if visit.session is None else visit.session.transport
        described = told or _first_description(visit)
        received, sent = (0, 0) if transport is None else byte_counts(transport)
        return replace(
            described, is_encrypted=visit.is_encrypted, account_id=visit.account_id,
            domain_id=visit.domain_id, logged_in_at=visit.logged_in_at, bytes_in=received,
            bytes_out=sent, tls="" if transport is None else tls_words(transport),
        )  # fmt: skip

    def _describe_outbound(self, one: OutboundConnection, *, counts: bool) -> OpenConnection:
        told = self._told.get(one.connection_id)
        if told is not None and not counts:
            return told
        received, sent = byte_counts(one.transport)
        tls = one.tls()
        described = told or _first_outbound_description(one)
        return replace(
            described, is_encrypted=bool(tls), tls=tls, bytes_in=received, bytes_out=sent
        )

    def _end_sessions(self, notes: Sequence[Note]) -> None:
        sessions = {int.from_bytes(note.payload, "big") for note in notes if note.payload}
        accounts = {note.key for note in notes if not note.payload}
        for listener in self._listeners:
            listener.drop_sessions(
                lambda visit: visit.id in sessions or visit.account_id in accounts
            )
        for one in openconnections.current():
            if one.connection_id in sessions:
                one.abort()


def byte_counts(transport: asyncio.BaseTransport) -> tuple[int, int]:
    """Bytes that came and bytes that the other side has confirmed, TLS and all."""
    opened = transport.get_extra_info("socket")
    try:
        info = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except (OSError, AttributeError):
        return 0, 0
    return int.from_bytes(info[_RECEIVED], "little"), int.from_bytes(info[_SENT], "little")


def tls_words(transport: asyncio.BaseTransport) -> str:
    """Version and cipher; empty without TLS."""
    details = transport.get_extra_info("ssl_object")
    if details is None:
        return ""
    return f"{details.version()} {(details.cipher() or ('',))[0]}"


def _first_description(visit: Visit) -> OpenConnection:
    return OpenConnection(
        connection_id=visit.id,
        service=visit.listener.name,
        client_address=visit.client_ip,
        client_port=visit.client_port,
        local_address=visit.local_ip,
        local_port=visit.endpoint.port,
        started_at=time_of(visit.id),
    )


def _first_outbound_description(one: OutboundConnection) -> OpenConnection:
    peer = one.transport.get_extra_info("peername") or ("", 0)
    local = one.transport.get_extra_info("sockname") or ("", 0)
    return OpenConnection(
        connection_id=one.connection_id,
        service="smtp",
        is_outbound=True,
        client_address=plain_address(peer[0]),
        client_port=peer[1],
        local_address=plain_address(local[0]),
        local_port=local[1],
        started_at=time_of(one.connection_id),
        peer_name=one.name,
    )
