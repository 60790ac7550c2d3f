"""Reading from a new connection for whom a proxy has opened it, and not an octet more (M-022)."""

from __future__ import annotations

import asyncio
import socket

from protocols import proxy
from protocols.proxy import Header

ANNOUNCEMENT_SECONDS = 10.0


async def announcement(connection: socket.socket) -> Header:
    """What follows stays in the socket, so that TLS may begin with it.

    Raises ProxyMalformed, OSError: also when it takes too long, or the proxy goes away.
    """
    received = b""
    async with asyncio.timeout(ANNOUNCEMENT_SECONDS):
        while True:
            await _until_readable(connection)
            ahead = connection.recv(proxy.LONGEST, socket.MSG_PEEK)
            if not ahead:
                raise ConnectionAbortedError("it is gone")
            header = proxy.parse(received + ahead)
            # Without its end all of it is header: taken, so that the next look waits for more.
            wanted = len(ahead) if header is None else header.size_bytes - len(received)
            received += connection.recv(wanted)
            if header is not None and len(received) >= header.size_bytes:
                return header


async def _until_readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    is_readable = asyncio.Event()
    loop.add_reader(connection, is_readable.set)
    try:
        await is_readable.wait()
    finally:
        loop.remove_reader(connection)
