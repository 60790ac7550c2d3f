"""Limits of sessions hold over all processes of a server (N-007)."""

from __future__ import annotations

import imaplib
import os
import subprocess
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from clock.moments import utc_now
from listeners.gate import Gate, Refusal, SessionLimits
from operations import connections, elsewhere
from operations.connections import Changes, OpenConnection
from operations.elsewhere import Elsewhere
from operations.models import Process
from tests.factories import PASSWORD
from tests.running import RunningServer

FILE = f"""
settings: {{listeners: {{sessions_per_user: 3}}}}
domains:
  - name: shared.example
    admin: {{username: admin, password: "{PASSWORD}"}}
"""


def test_the_gate_adds_what_others_have():
    gate = Gate(lambda: SessionLimits(total=5, per_address=3, per_user=2))
    gate.elsewhere = Elsewhere(4, {"192.0.2.1": 3, "192.0.2.2": 1}, {7: 1, 8: 2})
    assert gate.enter("192.0.2.1") is Refusal.TOO_MANY_FROM_ADDRESS
    assert gate.enter("192.0.2.2") is None
    assert gate.enter("192.0.2.3") is Refusal.TOO_MANY
    assert gate.enter_user(7) and not gate.enter_user(7) and not gate.enter_user(8)


@pytest.mark.django_db
def test_a_process_that_was_killed_is_forgotten_by_the_next_on_its_machine():
    now = utc_now()
    dead = subprocess.Popen(["true"])
    dead.wait()
    living = os.getppid()
    for number, node, pid in ((1, 0, dead.pid), (2, 0, living), (3, 1, dead.pid)):
        Process.objects.create(id=number, node=node, pid=pid, started_at=now, seen_at=now)
    connections.enter(process_id=4, node=0, pid=os.getpid(), now=now)
    assert set(Process.objects.values_list("pk", flat=True)) == {2, 3, 4}


@pytest.mark.django_db(transaction=True)
def test_the_living_others_are_counted_by_protocol():
    now = utc_now()

    def enter(number, pid, seen_at):
        Process.objects.create(id=number, node=0, pid=pid, started_at=now, seen_at=seen_at)

    def open_sessions(process_id, *sessions):
        opened = [
            OpenConnection(
                connection_id=process_id * 100 + place,
                service=service,
                client_address=address,
                client_port=1,
                local_address="127.0.0.1",
                local_port=143,
                started_at=now,
                account_id=account,
            )
            for place, (service, address, account) in enumerate(sessions)
        ]
        with transaction.atomic(), connection.cursor() as cursor:
            Changes.write_rows(
                [Changes(process_id=process_id, node=0, pid=process_id, now=now, opened=opened)],
                cursor,
            )

    for number in (1, 2, 3):
        enter(number, number, now)
    open_sessions(1, ("imap", "192.0.2.1", 7))
    open_sessions(2, ("imap", "192.0.2.1", 7), ("imap", "192.0.2.2", None), ("pop", "x", 7))
    open_sessions(3, ("imap", "192.0.2.1", 9))
    Process.objects.filter(pk=3).update(seen_at=now - timedelta(minutes=1))
    counted = elsewhere.count(node=0, pid=1, now=now)
    assert counted["imap"] == Elsewhere(2, {"192.0.2.1": 1, "192.0.2.2": 1}, {7: 1})
    assert counted["pop"].sessions == 1
    Process.objects.filter(pk=2).update(seen_at=now - timedelta(minutes=1))
    assert elsewhere.count(node=0, pid=1, now=now) == {}


@pytest.mark.spec("N-007")
def test_a_user_s_sessions_are_limited_over_two_processes(tmp_path, own_database):
    server = RunningServer(tmp_path / "data", database_url=own_database, mail_processes=2)
    server.prepare().manage("apply", "-", text=FILE)
    server.start()
    opened: list[imaplib.IMAP4 | None] = []
    try:
        opened += [_log_in(server) for _ in range(3)]
        assert None not in opened, "the third is in, whoever has it"
        deadline = time.monotonic() + 60
        refused = 0
        # Each process hears of the other's within seconds. Which one a connection comes to is the
        # system's choice: enough are tried to come to both.
        while refused < 12:
            assert time.monotonic() < deadline, "a fourth is let in"
            client = _log_in(server)
            if client is None:
                refused += 1
            else:
                client.shutdown()
                refused = 0
    finally:
        for client in opened:
            if client is not None:
                client.shutdown()
        server.stop()


def _log_in(server: RunningServer) -> imaplib.IMAP4 | None:
    client = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=20)
    try:
        client.login("admin@shared.example", PASSWORD)
    except (OSError, imaplib.IMAP4.error):
        client.shutdown()
        return None
    return client
