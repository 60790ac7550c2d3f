"""How much room the disk has, for the guard that refuses mail in time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

FLOOR_BYTES = 500 << 20
FLOOR_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """The room on one file system; below the floor new mail is to be refused."""

    total_bytes: int
    free_bytes: int
    floor_bytes: int

    @property
    def is_low(self) -> bool:
        return self.free_bytes < self.floor_bytes


def free_space(
    directory: Path, *, floor_bytes: int = FLOOR_BYTES, floor_share: float = FLOOR_SHARE
) -> FreeSpace:
    """What is free to us under `directory`; costs microseconds, so it may be asked per message.

    The floor is the lower of the two: 5 % of a large disk is more than safety needs.
    """
    state = os.statvfs(directory)
    total_bytes = state.f_blocks * state.f_frsize
    floor = min(floor_bytes, int(total_bytes * floor_share))
    return FreeSpace(total_bytes, state.f_bavail * state.f_frsize, floor)
