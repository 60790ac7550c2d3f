"""A server on which a client of this machine may come from outside: 127.0.0.66 and its kind."""

from __future__ import annotations

import json
import socket
import time

OUTSIDER = "127.0.0.66"
# Only the address that the tests' own programs use stays exempt.
SETTINGS = {"never_blocked": "127.0.0.1,::1"}


def call(port, source=OUTSIDER, seconds=10):
    """A connection from another address of loopback."""
    return socket.create_connection(
        ("127.0.0.1", port), timeout=seconds, source_address=(source, 0)
    )


def greeting(port, source=OUTSIDER):
    """All that a client gets to see before it says anything, up to a line; b'' if closed."""
    with call(port, source) as client:
        try:
            return client.makefile("rb").readline()
        except ConnectionError:
            return b""


def listed(server, *arguments):
    return json.loads(server.manage(*arguments, "--json"))


def wait_for(look, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)
    return found
