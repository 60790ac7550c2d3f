"""How much room the disk has, for the guard that refuses mail in time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Floor(NamedTuple):
    """What is to stay free: the smaller of the two, as much of a large disk is more than enough."""

    size_bytes: int = 500 << 20
    share: float = 0.05  # of the disk


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """The room on one file system; below the floor new mail is to be refused."""

    total_bytes: int
    free_bytes: int
    floor_bytes: int

    @property
    def is_low(self) -> bool:
        return self.free_bytes < self.floor_bytes


_ask_floor: Callable[[], Floor] = Floor


def floor_from(ask: Callable[[], Floor]) -> None:
    """Who keeps the operator's floor says where it is asked for; until then the factory's holds."""
    global _ask_floor
    _ask_floor = ask


def free_space(directory: Path, floor: Floor | None = None) -> FreeSpace:
    """What is free to us under `directory`; costs microseconds, so it may be asked per message.

    None: the floor of `floor_from`, which may ask the database.
    """
    state = os.statvfs(directory)
    total_bytes = state.f_blocks * state.f_frsize
    if floor is None:
        floor = _ask_floor()
    floor_bytes = min(floor.size_bytes, int(total_bytes * floor.share))
    return FreeSpace(total_bytes, state.f_bavail * state.f_frsize, floor_bytes)
