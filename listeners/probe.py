"""A listener asks itself whether it answers (M-003)."""

from __future__ import annotations

import asyncio
import socket

from listeners.base import Listener
from listeners.sockets import Endpoint
from operations import trustedproxies
from protocols import proxy

ANSWER_SECONDS = 2.0
_WILD = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (connected to, not bound)


async def probe(listener: Listener) -> str:
    """Why it does not answer; empty: it does. Where all is TLS, to accept is an answer."""
    endpoint = next((each for each in listener.endpoints if not each.is_tls), None)
    if endpoint is None:
        return ""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _ask(listener, endpoint)
    except TimeoutError:
        return f"no greeting within {ANSWER_SECONDS:.0f} s on {endpoint.ip}:{endpoint.port}"
    except OSError as error:
        return f"{endpoint.ip}:{endpoint.port}: {error.strerror or error}"


async def _ask(listener: Listener, endpoint: Endpoint) -> str:
    loop = asyncio.get_running_loop()
    ip = _WILD.get(endpoint.ip, endpoint.ip)
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as client:
        client.setblocking(False)
        client.bind((ip, 0))
        port = client.getsockname()[1]
        listener.own_probes.add(port)
        try:
            await loop.sock_connect(client, (ip, endpoint.port))
            if trustedproxies.is_trusted(ip):
                await loop.sock_sendall(client, proxy.LOCAL)
            if listener.question:
                await loop.sock_sendall(client, listener.question)
            greeting = await loop.sock_recv(client, 512)
        finally:
            listener.own_probes.discard(port)
    return "" if greeting else f"{ip}:{endpoint.port} closed without a greeting"
