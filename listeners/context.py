"""What the listeners of one process share."""

from __future__ import annotations

from dataclasses import dataclass, field

from listeners.tls import Certificates
from operations.guard import Guard
from spool.resolver import Resolver
from switchboard.subscribe import Switchboard


@dataclass(frozen=True, slots=True)
class Context:
    """`shares_ports`: several mail processes on this machine bind the same ports."""

    board: Switchboard
    certificates: Certificates
    shares_ports: bool = False
    resolver: Resolver | None = None  # None: nothing is looked up
    guard: Guard = field(default_factory=Guard)
