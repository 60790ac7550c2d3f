"""Mail that another process delivers reaches an idle client at once."""

import time

import pytest

from tests.listeners.imap.conftest import MESSAGE, Talk
from tests.running import RunningServer

APPLY = """
domains:
  - name: example.com
    admin: {username: admin, password: a-long-password}
    users: [{username: alice, password: a-long-password}]
"""
SESSIONS = 12  # the kernel spreads them over the processes


@pytest.fixture
def port(tmp_path):
    """The IMAP port of a server with two mail processes."""
    server = RunningServer(tmp_path / "data", mail_processes=2).start()
    server.manage("apply", "-", text=APPLY)
    yield server.port("imap")
    server.stop()


@pytest.mark.spec("S-052")
@pytest.mark.spec("N-040", lacks="rev2, CONDSTORE, QRESYNC, ESEARCH, SORT, THREAD, BINARY, ACL")
def test_idle_clients_of_every_process_are_told_within_100_ms(port):
    idle = []
    for _ in range(SESSIONS):
        session = Talk("127.0.0.1", port)
        session.ok(b"LOGIN alice@example.com a-long-password")
        session.ok(b"SELECT INBOX")
        session.send(b"i IDLE\r\n")
        assert session.line() == b"+ idling"
        idle.append(session)
    sender = Talk("127.0.0.1", port)
    sender.ok(b"LOGIN alice@example.com a-long-password")
    waits = []
    for count in range(1, 6):
        sender.append(MESSAGE)
        appended = time.monotonic()
        for session in idle:
            assert session.line() == b"* %d EXISTS" % count
            session.line()
        waits.append(time.monotonic() - appended)
    assert sorted(waits)[2] < 0.1
    for session in (*idle, sender):
        session.close()
