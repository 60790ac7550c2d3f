"""The process's one place through which notes leave: to itself, its machine, other machines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings

from switchboard.carriers import local
from switchboard.carriers.unix import Peers
from switchboard.topics import Note


class Exchange:
    """The carriers that this installation uses."""

    def __init__(self) -> None:
        self.directory = Path(settings.MAILHOST_RUN) / "switchboard"
        self.node: int = settings.MAILHOST_NODE
        self.has_other_machines: bool = settings.MAILHOST_CLUSTER
        self.peers = Peers(self.directory, self.node)
        self.notifier = postgres().Notifier(self.node) if self.has_other_machines else None


def postgres() -> Any:
    """The carrier between machines. Its library takes 6 MB, which one machine alone is spared."""
    return import_module("switchboard.carriers.postgres")


_exchange: Exchange | None = None


def exchange() -> Exchange:
    """The one of this process, made at first use."""
    global _exchange
    if _exchange is None:
        _exchange = Exchange()
    return _exchange


def publish(notes: Sequence[Note]) -> None:
    """Send notes now, to everybody. Neither blocks nor raises."""
    local.send(notes)
    carriers = exchange()
    carriers.peers.send(notes)
    if carriers.notifier is not None:
        carriers.notifier.send(notes)


def reset() -> None:
    """Forget the carriers: after a fork, or when the settings they were made of have changed."""
    global _exchange
    old, _exchange = _exchange, None
    if old is not None:
        # Another thread of the parent may have held the lock of the old one.
        old.peers.abandon()


os.register_at_fork(after_in_child=reset)
