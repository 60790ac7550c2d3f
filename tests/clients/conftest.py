"""The server whose mail the programs send and fetch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.programs import Mail
from tests.running import STANDARD_PORTS, RunningServer

DOMAIN = "clients.example"
PASSWORD = "client-password-1"
USERS = f"""
domains:
  - name: {DOMAIN}
    admin: {{username: admin, password: {PASSWORD}}}
    users:
      - {{username: alice, password: {PASSWORD}, full_name: Alice}}
      - {{username: bob, password: {PASSWORD}}}
"""


@pytest.fixture(scope="session")
def mail(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Mail:
    file: Path = tmp_path_factory.mktemp("clients") / "users.yaml"
    file.write_text(USERS)
    server.manage("apply", str(file), "--allow-weak-passwords")
    ports = {name: server.port(name) for name in STANDARD_PORTS}
    return Mail(ports, f"alice@{DOMAIN}", f"bob@{DOMAIN}", PASSWORD)
