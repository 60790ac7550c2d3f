"""Two machines share database and message store: each serves all domains, and mail goes once."""

from __future__ import annotations

import asyncio
import imaplib
import json
import socket
from collections import Counter
from pathlib import Path

import pytest

from tests.factories import PASSWORD
from tests.listeners.imap.conftest import Talk
from tests.reading import wait_for
from tests.running import RunningServer
from tests.sinks import Sink
from tests.submitting import ALICE, HOME, submit

MESSAGES = 8


@pytest.mark.spec("X-031", lacks="a message store for each machine")
@pytest.mark.spec("S-003", "M-008")
@pytest.mark.timeout(300)
async def test_two_machines_are_one_server(tmp_path: Path, own_database: str | None) -> None:
    if own_database is None:
        pytest.skip("machines share a PostgreSQL")
    async with Sink() as sink:
        first, second = (_machine(tmp_path, own_database, number) for number in (0, 1))
        try:
            await asyncio.to_thread(first.start)
            await asyncio.to_thread(first.manage, "apply", "-", text=_site(sink))
            await asyncio.to_thread(second.start)
            for here, there in ((first, second), (second, first)):
                await asyncio.to_thread(_read_there_what_came_here, here, there)
            await asyncio.to_thread(_send_away, first, second)
            await asyncio.to_thread(wait_for, lambda: len(_sent(sink)) == 2 * MESSAGES)
            await asyncio.to_thread(_stop_one_service_of_one, first, second)
            await asyncio.to_thread(_lose_one_and_get_it_back, first, second)
            await asyncio.to_thread(wait_for, lambda: "Even" in first.manage("ledger"))
            assert set(_sent(sink).values()) == {1}
        finally:
            for machine in (first, second):
                await asyncio.to_thread(machine.stop)
    assert "Traceback" not in first.log + second.log


def _machine(tmp_path: Path, database: str, number: int) -> RunningServer:
    """One of two on the same data; what a machine has for itself lies elsewhere."""
    machine = RunningServer(
        tmp_path / "data",
        database_url=database,
        node=number,
        cluster="yes",
        run=tmp_path / f"machine-{number}",
        failed_login_ms=20,
    )
    machine.log_path = tmp_path / f"machine-{number}.log"
    return machine


def _site(sink: Sink) -> str:
    gateway = f"{{name: sink, host: 127.0.0.1, port: {sink.port}, domains: [sink.test]}}"
    return f"{HOME}gateways: [{gateway}]\n"


def _read_there_what_came_here(here: RunningServer, there: RunningServer) -> None:
    """By somebody who waits in IDLE on the other machine; flags are seen on both."""
    waiting = Talk("127.0.0.1", there.port("imap"))
    with imaplib.IMAP4("127.0.0.1", here.port("imap")) as other:
        waiting.ok(b'LOGIN %b "%b"' % (ALICE.encode(), PASSWORD.encode()))
        waiting.ok(b"SELECT INBOX")
        waiting.send(b"i IDLE\r\n")
        assert waiting.line() == b"+ idling"
        subject = f"to machine {there.offset}"
        submit(here, ALICE, ALICE, subject=subject)
        seen = waiting.line()
        assert seen.endswith(b" EXISTS")
        number = seen.split()[1]
        waiting.line()
        other.login(ALICE, PASSWORD)
        other.select("INBOX")
        assert other.store(number.decode(), "+FLAGS", "(\\Flagged)")[0] == "OK"
        assert b"\\Flagged" in waiting.line()
        waiting.send(b"DONE\r\n")
        waiting.until(b"i")
        read = b"\n".join(waiting.ok(b"FETCH %b BODY[]" % number))
        assert subject.encode() in read
    waiting.close()


def _send_away(first: RunningServer, second: RunningServer) -> None:
    for number in range(MESSAGES):
        for machine in (first, second):
            submit(machine, ALICE, "somebody@sink.test", subject=f"{number} {machine.offset}")


def _sent(sink: Sink) -> Counter[bytes]:
    """How often each message came."""
    return Counter(
        line for taken in sink.taken for line in taken.body.splitlines() if b"Subject:" in line
    )


def _stop_one_service_of_one(first: RunningServer, second: RunningServer) -> None:
    """The first one is told to, and the second one does it; sessions of both are listed."""
    with imaplib.IMAP4("127.0.0.1", second.port("imap")) as stays:
        stays.login(ALICE, PASSWORD)
        wait_for(lambda: _sessions(first) == [ALICE])
        first.manage("service", "stop", "pop", "--node", "1")
        assert not _answers(second, "pop3")
        assert _answers(first, "pop3")
        first.manage("service", "start", "pop", "--node", "1")
        assert _answers(second, "pop3")
        [session] = json.loads(first.manage("sessions", "--json"))
        first.manage("sessions", "--end", session["id"])
        wait_for(lambda: _sessions(first) == [])


def _sessions(machine: RunningServer) -> list[str]:
    return [one["account"] for one in json.loads(machine.manage("sessions", "--json"))]


def _answers(machine: RunningServer, service: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", machine.port(service)), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def _lose_one_and_get_it_back(first: RunningServer, second: RunningServer) -> None:
    mail = second.pids("serve_mail")
    second.kill()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in mail))
    submit(first, ALICE, ALICE, subject="while one is away")
    second.start()
    submit(second, ALICE, ALICE, subject="when it is back")
    with imaplib.IMAP4("127.0.0.1", second.port("imap")) as reader:
        reader.login(ALICE, PASSWORD)
        wait_for(lambda: int(reader.select("INBOX")[1][0]) == 4)
