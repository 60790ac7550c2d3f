"""The connections to other servers that this process has open now (M-042)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from blobs.ids import new_id


@dataclass(frozen=True, slots=True, eq=False)
class OutboundConnection:
    """One SMTP connection of ours; `tls` answers version and cipher, empty without TLS."""

    transport: asyncio.Transport
    name: str  # of the host
    tls: Callable[[], str]
    abort: Callable[[], None]
    connection_id: int = field(default_factory=new_id)


_open: dict[int, OutboundConnection] = {}


def enter(one: OutboundConnection) -> OutboundConnection:
    _open[one.connection_id] = one
    return one


def leave(one: OutboundConnection | None) -> None:
    if one is not None:
        _open.pop(one.connection_id, None)


def current() -> list[OutboundConnection]:
    return list(_open.values())
