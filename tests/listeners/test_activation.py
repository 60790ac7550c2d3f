"""Sockets that systemd has opened are used, and it goes on listening when the process ends."""

import contextlib
import socket

import pytest

from listeners import activation
from listeners.pop3.server import make_listener
from listeners.sockets import Endpoint
from tests.listeners.running import RunningListener


@pytest.fixture
def handed_over(monkeypatch):
    """A socket as systemd hands it over; its end here is systemd's own."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        monkeypatch.setattr(activation, "_handed_over", {opened.getsockname(): opened.fileno()})
        yield opened


@pytest.fixture
def start(world, tmp_path, handed_over):
    """Starts a server on the socket; it is stopped when the test ends."""
    with contextlib.ExitStack() as running:

        def start_one():
            one = RunningListener(make_listener, tmp_path, [Endpoint(*handed_over.getsockname())])
            running.callback(one.stop)
            return one

        yield start_one


def connect(handed_over):
    return socket.create_connection(handed_over.getsockname(), timeout=20)


def test_who_comes_while_the_server_starts_anew_is_served_then(handed_over, start):
    with connect(handed_over) as before:
        first = start()
        assert before.recv(100).startswith(b"+OK")
        first.call(first.listener.drain(2))
    with connect(handed_over) as between:
        start()
        assert between.recv(100).startswith(b"+OK")


def test_a_service_that_was_stopped_refuses_at_such_a_socket_too(handed_over, start):
    running = start()
    running.call(running.listener.retire(2))
    with pytest.raises(ConnectionRefusedError):
        connect(handed_over)
