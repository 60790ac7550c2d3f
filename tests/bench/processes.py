"""What a tree of processes has used: CPU and memory, as /proc tells it."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
QUIET_SECONDS = 0.6
QUIET_SHARE = 0.03  # of one core


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from `state` on; the name before them may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """`root` and everything below it that lives now."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(int(_stat(int(entry))[1]), []).append(int(entry))
            except (OSError, IndexError):
                continue  # it ended while the list was read
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_seconds(*roots: int) -> float:
    """User and system time of the trees, their ended and reaped children included.

    A child that ends moves its time to its parent's cutime and cstime, so the sum never falls.
    """
    ticks = 0
    for root in roots:
        for pid in tree(root):
            try:
                ticks += sum(map(int, _stat(pid)[11:15]))
            except (OSError, IndexError):
                continue
    return ticks / TICKS_PER_SECOND


def memory_bytes(*roots: int) -> int:
    """Proportional set size of the trees: a page shared by ten counts a tenth for each."""
    total = 0
    for root in roots:
        for pid in tree(root):
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(
                int(line.split()[1]) * 1024
                for line in rollup.splitlines()
                if line.startswith("Pss:")
            )
    return total


def wait_until_quiet(*roots: int, at_most_seconds: float = 15.0) -> None:
    """Let work behind the answer (settling, cleaning) end, so that it is counted too."""
    deadline = time.monotonic() + at_most_seconds
    used = cpu_seconds(*roots)
    while time.monotonic() < deadline:
        time.sleep(QUIET_SECONDS)
        now_used = cpu_seconds(*roots)
        if now_used - used <= QUIET_SECONDS * QUIET_SHARE:
            return
        used = now_used
