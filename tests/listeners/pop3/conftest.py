"""A running POP3 listener, people with mail, and Python's own client to read it."""

from __future__ import annotations

import poplib

import pytest

from blobs.committer import process_committer
from clock.moments import to_micros, utc_now
from listeners.pop3.server import make_listener
from mailboxes.appending import Append
from tests.bench.systems import unverified_tls
from tests.factories import PASSWORD
from tests.listeners.running import PLAIN, TLS, RunningListener

FIRST = b"Subject: first\r\n\r\none\r\n.two\r\n..three\r\n.\r\n"
SECOND = b"Subject: second\r\n\r\n" + b"0123456789\r\n" * 10
THIRD = b"Subject: third\r\n\r\nlast\r\n"


@pytest.fixture
def put(world):
    """Puts messages into a user's Inbox."""

    def append(*messages, user=None, folder_id=None):
        account = user or world.alice
        for message in messages:
            process_committer().commit_now(
                Append.of(
                    message,
                    account_id=account.pk,
                    domain_id=account.domain_id,
                    received_at=to_micros(utc_now()),
                    folder_id=folder_id,
                )
            )

    return append


@pytest.fixture
def pop(world, tmp_path):
    running = RunningListener(make_listener, tmp_path, [PLAIN, TLS])
    yield running
    running.stop()


@pytest.fixture
def connect(pop):
    """Opens a connection: `connect()` or `connect("tls")`; closed when the test ends."""
    opened = []

    def open_connection(purpose="plain"):
        is_tls = purpose == "tls"
        (at,) = [each for each in pop.listener.endpoints if each.is_tls == is_tls]
        if is_tls:
            one = poplib.POP3_SSL(at.ip, at.port, timeout=20, context=unverified_tls())
        else:
            one = poplib.POP3(at.ip, at.port, timeout=20)
        opened.append(one)
        return one

    yield open_connection
    for one in opened:
        one.close()


@pytest.fixture
def enter(connect):
    """A session that is logged in."""

    def log_in(name="alice@example.com", purpose="plain"):
        one = connect(purpose)
        one.user(name)
        one.pass_(PASSWORD)
        return one

    return log_in
