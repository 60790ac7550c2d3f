"""Inside one process: straight to whoever receives, without a socket."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Protocol

from switchboard.topics import Note


class Receiver(Protocol):
    """Somebody in this process who wants notes."""

    def receive(self, notes: Sequence[Note]) -> None:
        """Take notes; called from any thread, must not block nor raise."""


_lock = threading.Lock()
_receivers: tuple[Receiver, ...] = ()


def send(notes: Sequence[Note]) -> None:
    for receiver in _receivers:
        receiver.receive(notes)


def join(receiver: Receiver) -> None:
    """From now on `receiver` gets what this process publishes."""
    global _receivers
    with _lock:
        _receivers = (*_receivers, receiver)


def leave(receiver: Receiver) -> None:
    global _receivers
    with _lock:
        _receivers = tuple(r for r in _receivers if r is not receiver)


def _after_fork() -> None:
    # The loops of the receivers run in the parent only.
    global _receivers, _lock
    _receivers, _lock = (), threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
