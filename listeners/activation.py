"""Sockets that systemd (or whoever started this process) has opened and bound already."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

FIRST = 3  # sd_listen_fds(3): the descriptors follow standard error

_lock = threading.Lock()
_handed_over: dict[tuple[str, int], int] | None = None


def take(ip: str, port: int) -> socket.socket | None:
    """A descriptor of one's own for the socket handed over for this pair, if there is one."""
    global _handed_over
    with _lock:
        if _handed_over is None:
            _handed_over = _find()
        descriptor = _handed_over.get((ip, port))
    if descriptor is None:
        return None
    taken = socket.socket(fileno=os.dup(descriptor))
    taken.setblocking(False)
    return taken


def silence(ip: str, port: int) -> None:
    """Let the socket handed over for this pair, if there is one, listen no more.

    Closing one's own descriptor would leave those of systemd and of other processes listening.
    """
    if _handed_over is None or (descriptor := _handed_over.get((ip, port))) is None:
        return
    with socket.socket(fileno=os.dup(descriptor)) as handed, contextlib.suppress(OSError):
        handed.shutdown(socket.SHUT_RD)


def _find() -> dict[tuple[str, int], int]:
    # LISTEN_PID names whom they are for; the supervisor passes them on without it.
    if os.environ.get("LISTEN_PID", str(os.getpid())) != str(os.getpid()):
        return {}
    found = {}
    count = os.environ.get("LISTEN_FDS", "0")
    for descriptor in range(FIRST, FIRST + (int(count) if count.isdigit() else 0)):
        try:
            with socket.socket(fileno=os.dup(descriptor)) as probe:
                is_tcp = probe.family in (socket.AF_INET, socket.AF_INET6)
                if is_tcp and probe.type == socket.SOCK_STREAM:
                    ip, port = probe.getsockname()[:2]
                    found[(ip, port)] = descriptor
        except OSError:
            continue  # not open, or no socket
    return found
