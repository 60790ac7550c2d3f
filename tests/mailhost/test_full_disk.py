"""Commands on a full disk: they say so, leave nothing half done, and work once there is room."""

from __future__ import annotations

import json
import os
import random
import smtplib
import subprocess
from pathlib import Path

import pytest

from tests import disks
from tests.factories import PASSWORD
from tests.reading import open_mailbox, wait_for
from tests.running import RunningServer

DOMAIN = "crowded.example"
ANN = f"ann@{DOMAIN}"
MESSAGES = 8
DISK_BYTES = 32 << 20


def fill(server: RunningServer) -> None:
    """Mail that cannot be packed."""
    users = f"users: [{{username: ann, password: {PASSWORD}}}]"
    server.manage(
        "apply", "-", text=f"domains: [{{name: {DOMAIN}, admin: {{username: admin}}, {users}}}]"
    )
    dice = random.Random(4)
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=60) as client:
        for number in range(MESSAGES):
            text = "\r\n".join(dice.randbytes(36).hex() for _ in range(1500))
            mail = f"Subject: {number}\r\n\r\n{text}\r\n"
            client.sendmail("writer@elsewhere.example", [ANN], mail)
    client = open_mailbox(server, ANN)
    wait_for(lambda: client.select("INBOX")[1] == [b"%d" % MESSAGES])
    client.logout()


def refusal(server: RunningServer, *arguments: str | Path) -> str:
    """Its one line, behind what may stand in the log."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        server.manage(*map(str, arguments))
    *log, told = str(failed.value.stderr).splitlines()
    assert all(line.startswith("timestamp=") for line in log)
    return told


@pytest.mark.timeout(300)
@pytest.mark.spec("U-024", "X-032")
def test_exports_backups_and_restores_wait_for_room(
    server: RunningServer, tmp_path: Path, own_database: str | None
) -> None:
    fill(server)
    with disks.small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        export = ("mailbox", "export", ANN, str(disk / "ann.zip"))
        backup = ("backup", str(disk / "backup"), "--domain", DOMAIN)
        with disks.full(disk, left_bytes=300_000):
            assert "has no room" in refusal(server, *export)
            assert "there is no room on the disk" in refusal(server, *backup)
            assert os.listdir(disk) == ["filler"]
        server.manage(*export)
        server.manage(*backup)

        other = RunningServer(disk / "data", database_url=own_database).prepare()
        restore = ("restore", str(disk / "backup"), "--domain", DOMAIN)
        other.manage("domain", "list")
        with disks.full(disk, left_bytes=700_000):
            told = refusal(other, *restore)
            assert "there is no room on the disk" in told and "What came back stays" in told
        assert json.loads(other.manage(*restore, "--json"))["errors"] == []
        again = other.manage("mailbox", "export", ANN, str(disk / "again.zip"), "--json")
        assert json.loads(again)["messages"] == MESSAGES
        assert "All counters and references are right." in other.manage("verify")
