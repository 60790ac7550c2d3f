"""A listener on an event loop in a thread of its own, so that tests speak to it by sockets."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import uvloop

from listeners.base import Listener
from listeners.context import Context
from listeners.sockets import Endpoint
from listeners.tls import Certificates
from operations.guard import Guard
from switchboard.subscribe import Switchboard


class RunningListener:
    """`ports` by what the endpoint is for: "plain", "tls", "submission"."""

    def __init__(self, make_listener, directory, endpoints):
        self.certificates = Certificates(directory / "certificates")
        self.certificates.make_default("mx.test", now=datetime.now(UTC))
        self.certificates.reload()
        self.guard = Guard()
        self.loop = uvloop.new_event_loop()  # as in the server
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.listener: Listener = self.call(self._start(make_listener, endpoints))
        self.ports = {}
        for endpoint in self.listener.endpoints:
            self.ports["tls" if endpoint.is_tls else endpoint.purpose or "plain"] = endpoint.port

    async def _start(self, make_listener, endpoints):
        listener = make_listener(Context(Switchboard(), self.certificates, guard=self.guard))
        await listener.bind(endpoints)
        return listener

    def call(self, coroutine, timeout=20):
        """The result of a coroutine that runs on the listener's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def stop(self):
        self.call(self.listener.drain(2))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


# One address for each: port 0 may be claimed but once on an address.
PLAIN = Endpoint("127.0.0.1", 0)
TLS = Endpoint("127.0.0.3", 0, is_tls=True)
SUBMISSION = Endpoint("127.0.0.2", 0, purpose="submission")
