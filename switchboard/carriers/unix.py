"""One machine, many processes: a datagram socket for each receiver, in one directory.

A socket's name tells its process and, as a bit mask, the topics it wants:
`1234-9f2c01d3-0.2e.sock`.
Sending never blocks. What a full receiver can't take yet is kept for a moment, then dropped.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import stat
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from switchboard.frames import BadFrame, decode, encode
from switchboard.topics import Note

log = logging.getLogger(__name__)

_SUFFIX = ".sock"
_RECEIVE_BYTES = 64 << 10
_PATH_BYTES = 100  # a socket's address has room for 108
# The kernel stamps directories with a clock that ticks every few milliseconds: a listing read
# this soon after a change may have missed another one with the same stamp.
_TICK_NS = 50_000_000
_BACKLOG_FRAMES = 256
_RETRY_SECONDS = 0.002
_PATIENCE_SECONDS = 5.0


class _Process:
    """What marks the sockets of this process."""

    def __init__(self) -> None:
        self.token = f"{os.getpid()}-{secrets.token_hex(4)}"
        self.inlets = 0


_process = _Process()


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """A name for `path` that fits into a socket's address."""
    name = str(path)
    if len(os.fsencode(name)) <= _PATH_BYTES:
        yield name
        return
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


class Inlet:
    """The socket of one receiver."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._name = f"{_process.token}-{_process.inlets}"
        _process.inlets += 1
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._path = self._path_for(0)
        with _address(self._path) as address:
            self._socket.bind(address)
        _inlets.add(self)

    def fileno(self) -> int:
        return self._socket.fileno()

    def want(self, mask: int) -> None:
        """Ask for the topics whose bits are set; senders see it by the name."""
        path = self._path_for(mask)
        if path != self._path:
            self._path = self._path.rename(path)

    def drain(self, limit: int = 64) -> list[Note]:
        """The notes that wait, of at most `limit` datagrams."""
        notes: list[Note] = []
        for _ in range(limit):
            try:
                notes += decode(self._socket.recv(_RECEIVE_BYTES))
            except BlockingIOError:
                break
            except BadFrame as error:
                log.warning("a datagram was no frame: %s", error)
        return notes

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        self._socket.close()

    def abandon(self) -> None:
        """Close a socket that belongs to another process."""
        self._socket.close()

    def _path_for(self, mask: int) -> Path:
        return self._directory / f"{self._name}.{mask:x}{_SUFFIX}"


_inlets: weakref.WeakSet[Inlet] = weakref.WeakSet()


class _Peer:
    """A receiver in another process, connected."""

    __slots__ = ("backlog", "mask", "path", "socket", "waits_since")

    def __init__(self, path: Path, mask: int) -> None:
        """Raises ConnectionRefusedError if its process is gone."""
        self.path = path
        self.mask = mask
        self.backlog: deque[bytes] = deque(maxlen=_BACKLOG_FRAMES)
        self.waits_since = 0.0
        # A socket for each peer: one that is stuck uses up nobody else's send buffer.
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            with _address(path) as address:
                self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise

    def send(self, frame: bytes) -> None:
        """Raises OSError if it is gone."""
        if not self.backlog:
            try:
                self.socket.send(frame)
                return
            except BlockingIOError:
                self.waits_since = time.monotonic()
        self.backlog.append(frame)

    def retry(self) -> None:
        """Send what had to wait. Raises OSError if it is gone."""
        try:
            while self.backlog:
                self.socket.send(self.backlog[0])
                self.backlog.popleft()
                self.waits_since = time.monotonic()
        except BlockingIOError:
            if time.monotonic() - self.waits_since > _PATIENCE_SECONDS:
                log.warning("%s is stuck: %d frames dropped", self.path.name, len(self.backlog))
                self.backlog.clear()


class Peers:
    """The receivers of the other processes, as the directory shows them."""

    def __init__(self, directory: Path, node: int) -> None:
        self._directory = directory
        self._name = str(directory)
        self._node = node
        self._lock = threading.Lock()
        self._peers: dict[str, _Peer] = {}
        self._stamp_ns = -1
        self._read_ns = 0
        self._retrier: threading.Thread | None = None

    def send(self, notes: Sequence[Note]) -> None:
        """Send each peer the notes that it wants. Neither blocks nor raises."""
        with self._lock:
            self._look()
            if self._peers:
                self._send(notes)

    def abandon(self) -> None:
        """Close the connections, without the lock: in a forked child nobody may release it."""
        for peer in self._peers.values():
            peer.socket.close()

    def _send(self, notes: Sequence[Note]) -> None:
        encoded: dict[tuple[int, ...], list[bytes]] = {}
        has_backlog = False
        for peer in list(self._peers.values()):
            wanted = tuple(i for i, note in enumerate(notes) if peer.mask >> note.topic & 1)
            if not wanted:
                continue
            frames = encoded.get(wanted)
            if frames is None:
                frames = encode([notes[i] for i in wanted], node=self._node)
                encoded[wanted] = frames
            try:
                for frame in frames:
                    peer.send(frame)
            except OSError:
                self._drop(peer)
            has_backlog = has_backlog or bool(peer.backlog)
        if has_backlog and self._retrier is None:
            self._retrier = threading.Thread(
                target=self._retry, name="switchboard-retry", daemon=True
            )
            self._retrier.start()

    def _retry(self) -> None:
        while True:
            time.sleep(_RETRY_SECONDS)
            with self._lock:
                waiting = [peer for peer in self._peers.values() if peer.backlog]
                for peer in waiting:
                    try:
                        peer.retry()
                    except OSError:
                        self._drop(peer)
                if not waiting:
                    self._retrier = None
                    return

    def _look(self) -> None:
        """Read the directory again if it has changed."""
        try:
            stamp_ns = os.stat(self._name).st_mtime_ns  # noqa: PTH116
        except OSError:
            return
        if stamp_ns == self._stamp_ns and self._read_ns > stamp_ns + _TICK_NS:
            return
        self._read_ns = time.time_ns()
        self._stamp_ns = stamp_ns
        found: dict[str, _Peer] = {}
        for path in self._directory.glob(f"*{_SUFFIX}"):
            parts = path.name.split(".")
            if len(parts) == 3 and not parts[0].startswith(_process.token):
                peer = self._peer(path, parts[0], parts[1])
                if peer is not None:
                    found[parts[0]] = peer
        for name, peer in self._peers.items():
            if name not in found:
                peer.socket.close()
        self._peers = found

    def _peer(self, path: Path, name: str, hex_mask: str) -> _Peer | None:
        try:
            mask = int(hex_mask, 16)
            peer = self._peers.get(name)
            if peer is not None:
                peer.mask, peer.path = mask, path
                return peer
            return _Peer(path, mask)
        except ConnectionRefusedError:
            _remove_stale(path)  # its process has ended without removing it
        except (OSError, ValueError):
            pass  # renamed or removed meanwhile, or a stranger's file
        return None

    def _drop(self, peer: _Peer) -> None:
        peer.backlog.clear()
        peer.socket.close()
        self._peers = {n: p for n, p in self._peers.items() if p is not peer}
        self._stamp_ns = -1
        _remove_stale(peer.path)


def _remove_stale(path: Path) -> None:
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()


def _after_fork() -> None:
    global _process
    _process = _Process()
    for inlet in list(_inlets):
        inlet.abandon()
    _inlets.clear()


os.register_at_fork(after_in_child=_after_fork)
