"""Ids that the application gives out: unique over the cluster, sorted by time.

63 bits: 41 of milliseconds since 2024 | 10 of worker (4 node, 6 slot) | 12 of sequence.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

from blobs.errors import BadId, NoSlotFree

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
EPOCH_MS = int(EPOCH.timestamp() * 1000)
MAX_ID = 2**63 - 1
SLOTS = 64
SEQUENCE_BITS = 12
SLOT_BITS = 6
WORKER_BITS = 10
TIME_SHIFT = SEQUENCE_BITS + WORKER_BITS

# Times below the mark kept in a slot's file may have been used by an earlier owner of the slot.
# It runs ahead of the clock in steps, so it costs one write for many ids.
_MARK = struct.Struct("<Q")
_MARK_STEP_MS = 2_000

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_VALUES = {c: n for n, c in enumerate(_ALPHABET)} | {c.upper(): n for n, c in enumerate(_ALPHABET)}
# Two digits at a time: ids are written into every message that comes.
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_VALUES |= {"o": 0, "O": 0, "i": 1, "I": 1, "l": 1, "L": 1}  # how people misread 0 and 1
_LENGTH = 13


class _Slot:
    """One of the node's 64 worker numbers, ours as long as the file is locked."""

    def __init__(self, number: int, fd: int, mark_ms: int) -> None:
        self.number = number
        self.fd = fd
        self.mark_ms = mark_ms

    def raise_mark(self, used_ms: int) -> None:
        self.mark_ms = used_ms + _MARK_STEP_MS
        os.pwrite(self.fd, _MARK.pack(self.mark_ms), 0)


def _try_slot(path: Path, number: int) -> _Slot | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    raw = os.pread(fd, _MARK.size, 0)
    mark_ms = _MARK.unpack(raw)[0] if len(raw) == _MARK.size else 0
    return _Slot(number, fd, min(mark_ms, 2**41 - 1))


def _take_slot(directory: Path, now_ms: int) -> _Slot:
    """The first free slot whose last owner's ids lie in the past; else the one least ahead."""
    directory.mkdir(parents=True, exist_ok=True)
    ahead: list[_Slot] = []
    chosen: _Slot | None = None
    for number in range(SLOTS):
        slot = _try_slot(directory / f"slot-{number:02}", number)
        if slot is None:
            continue
        if slot.mark_ms <= now_ms:
            chosen = slot
            break
        ahead.append(slot)
    if chosen is None and ahead:
        chosen = min(ahead, key=lambda slot: slot.mark_ms)
    for slot in ahead:
        if slot is not chosen:
            os.close(slot.fd)
    if chosen is None:
        raise NoSlotFree(f"all {SLOTS} slots in {directory} are taken")
    return chosen


class _Generator:
    """Gives ids in rising order, whatever the clock does."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.slot: _Slot | None = None
        self.worker = 0
        self.last_ms = 0
        self.sequence = 0

    def next(self) -> int:
        now_ms = time.time_ns() // 1_000_000 - EPOCH_MS
        with self.lock:
            if self.slot is None:
                self._take(now_ms)
            if now_ms > self.last_ms:
                self.last_ms = now_ms
                self.sequence = 0
                self._keep_mark()
            else:
                self.sequence += 1
                if self.sequence >> SEQUENCE_BITS:
                    # 4,096 in one millisecond: borrow from the next one instead of waiting.
                    self.last_ms += 1
                    self.sequence = 0
                    self._keep_mark()
            return self.last_ms << TIME_SHIFT | self.worker | self.sequence

    def _take(self, now_ms: int) -> None:
        self.slot = slot = _take_slot(Path(settings.MAILHOST_RUN), now_ms)
        self.worker = (settings.MAILHOST_NODE << 6 | slot.number) << SEQUENCE_BITS
        self.last_ms = slot.mark_ms

    def _keep_mark(self) -> None:
        slot = self.slot
        if slot is not None and self.last_ms >= slot.mark_ms:
            slot.raise_mark(self.last_ms)


_generator = _Generator()


def new_id() -> int:
    """A new id, greater than every one this process got before."""
    return _generator.next()


def _after_fork() -> None:
    # The lock belongs to the open file that parent and child share: the child lets go of its
    # copy and takes a slot of its own.
    global _generator
    slot, _generator = _generator.slot, _Generator()
    if slot is not None:
        os.close(slot.fd)


os.register_at_fork(after_in_child=_after_fork)


def time_of(value: int) -> datetime:
    """When the id was given out, to the millisecond."""
    return EPOCH + timedelta(milliseconds=value >> TIME_SHIFT)


def node_of(value: int) -> int:
    """The machine that gave the id out: its MAILHOST_NODE."""
    return value >> (SEQUENCE_BITS + SLOT_BITS) & 15


def are_of_one_process(first: int, second: int) -> bool:
    """Whether both were given out by the same slot of the same machine."""
    return (first ^ second) >> SEQUENCE_BITS & ((1 << WORKER_BITS) - 1) == 0


def first_id_at(moment: datetime) -> int:
    """The lowest id of that millisecond: every id below it is older."""
    return max(0, (moment - EPOCH) // timedelta(milliseconds=1)) << TIME_SHIFT


def encode_id(value: int) -> str:
    """13 characters of Crockford's base 32, lower-case; they sort like the numbers."""
    if not 0 <= value <= MAX_ID:
        raise BadId(f"{value} does not fit in 63 bits")
    pairs = _PAIRS
    return (
        _ALPHABET[value >> 60]
        + pairs[value >> 50 & 1023]
        + pairs[value >> 40 & 1023]
        + pairs[value >> 30 & 1023]
        + pairs[value >> 20 & 1023]
        + pairs[value >> 10 & 1023]
        + pairs[value & 1023]
    )


def decode_id(text: str) -> int:
    """The inverse of encode_id; forgives upper case and O, I, L for 0 and 1. Raises BadId."""
    value = 0
    if len(text) != _LENGTH:
        raise BadId(f"an id has {_LENGTH} characters, not {len(text)}")
    for character in text:
        digit = _VALUES.get(character)
        if digit is None:
            raise BadId(f"{character!r} is no digit of an id")
        value = value << 5 | digit
    if value > MAX_ID:
        raise BadId(f"{text!r} does not fit in 63 bits")
    return value
