"""The process's one place through which notes leave and arrive."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from switchboard.topics import Note

MAX_PAYLOAD_BYTES = 4_000


class Receiver(Protocol):
    """Somebody in this process who wants notes."""

    def receive(self, notes: Sequence[Note]) -> None:
        """Take notes; called from any thread, must not block nor raise."""


_lock = threading.Lock()
_receivers: tuple[Receiver, ...] = ()


def publish(notes: Sequence[Note]) -> None:
    """Give notes to the receivers of this process and to the other processes, at once."""
    for receiver in _receivers:
        receiver.receive(notes)


def join(receiver: Receiver) -> None:
    global _receivers
    with _lock:
        _receivers = (*_receivers, receiver)


def leave(receiver: Receiver) -> None:
    global _receivers
    with _lock:
        _receivers = tuple(r for r in _receivers if r is not receiver)
