"""The registry of open sessions, as an operator sees it on a running server."""

import imaplib
import json
import time

import pytest

from tests.factories import PASSWORD

FILE = f"""
domains:
  - name: registry.example
    admin: {{username: admin, password: "{PASSWORD}"}}
"""


@pytest.mark.spec("N-008")
def test_a_session_is_seen_by_another_process_and_can_be_ended(server, tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text(FILE)
    server.manage("apply", str(path))
    imap = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=20)
    imap.login("admin@registry.example", PASSWORD)
    session = _wait_for(lambda: _sessions(server))
    assert session["service"] == "imap"
    assert session["encrypted"] is False
    server.manage("sessions", "--end", session["id"])
    with pytest.raises(imaplib.IMAP4.abort):
        for _ in range(300):
            imap.noop()
            time.sleep(0.1)
    _wait_for(lambda: not _sessions(server))


def _sessions(server):
    listed = json.loads(server.manage("sessions", "--json"))
    ours = [one for one in listed if one["account"] == "admin@registry.example"]
    return ours[0] if ours else None


def _wait_for(look):
    deadline = time.monotonic() + 20
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.2)
    return found
