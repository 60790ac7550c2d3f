"""The web server: granian's WSGI worker on a plain and on a TLS port, in one process.

granian's own command starts two processes for each port. Its worker runs as well in a thread, which
saves three quarters of the memory. This file alone touches the private names of granian 2.8 that
this needs; tests/mailhost/test_web.py fails when a new release changes them.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granian import _futures, _granian
from granian.http import HTTP1Settings, HTTP2Settings
from granian.wsgi import _callback_wrapper

# granian's own stubs do not describe these as they are.
granian: Any = _granian
new_scheduler: Any = _futures._new_cbscheduler

Application = Callable[..., Any]

BACKLOG = 256
REQUESTS_AT_ONCE = 64  # for each port; more wait in the backlog
THREADS = 8  # that run the application, for each port
IDLE_THREAD_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Door:
    """An open socket; `certificate` is a PEM file with key and chain, None for plain HTTP."""

    opened: socket.socket
    certificate: Path | None = None


class Server:
    """Serves one application at one door."""

    def __init__(self, application: Application, door: Door) -> None:
        self._application = application
        self._door = door
        self._signal = granian.WorkerSignal()
        self._has_ended = threading.Event()
        self._signal.add_cb(self._has_ended.set)

    def start(self) -> None:
        """Take requests from now on. Raises what granian raises for a bad certificate."""
        certificate = str(self._door.certificate) if self._door.certificate else None
        is_tls = certificate is not None
        tls: Any = (is_tls, certificate, certificate, None, "tls1.2", None, [], False)
        # A descriptor of its own: granian closes what it was given.
        holder = granian.SocketHolder(self._door.opened.dup().detach(), False, BACKLOG)
        worker = granian.WSGIWorker(
            1, (None, holder), None, 1, THREADS, THREADS, IDLE_THREAD_SECONDS, REQUESTS_AT_ONCE,
            "auto", HTTP1Settings(), HTTP2Settings(), None, *tls, (None, None),
        )  # fmt: skip
        loop = asyncio.new_event_loop()
        callback = _callback_wrapper(self._application, {}, None)
        worker.serve_mtr(new_scheduler(loop, callback, impl_asyncio=True), loop, self._signal)

    def drain(self, seconds: float) -> bool:
        """Take nothing new and finish the requests in hand; False if the time was too short."""
        self._signal.set()
        return bool(self._has_ended.wait(seconds))
