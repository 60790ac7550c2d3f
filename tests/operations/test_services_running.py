"""Services started and stopped on a running server with two mail processes (M-001…M-017)."""

import contextlib
import imaplib
import poplib
import smtplib
import socket
import subprocess
import time

import pytest

from operations.models import Service
from tests import databases
from tests.factories import PASSWORD
from tests.operations.outside import listed, wait_for
from tests.running import RunningServer

FILE = f"""
domains:
  - name: services.example
    admin: {{username: admin, password: "{PASSWORD}"}}
"""
ADDRESS = "admin@services.example"


@pytest.fixture(scope="module")
def pair(tmp_path_factory, database_url):
    """Two mail processes on one set of ports."""

    folder = tmp_path_factory.mktemp("services")

    with databases.fresh(database_url) as url:
        running = RunningServer(folder / "data", database_url=url, mail_processes=2)
        running.start()
        (folder / "file.yaml").write_text(FILE)
        running.manage("apply", str(folder / "file.yaml"))
        yield running
        running.stop()


@pytest.fixture(autouse=True)
def _all_services_run_again(pair):
    yield
    pair.manage("service", "start", "all")


def state_of(server, service):
    return next(one for one in listed(server, "service", "list") if one["service"] == service)


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.spec("M-001")
@pytest.mark.spec("M-003")
def test_every_service_tells_what_is_wanted_and_how_it_stands(pair):
    wait_for(lambda: len(state_of(pair, "smtp")["processes"]) == 2)
    found = {one["service"]: one for one in listed(pair, "service", "list")}
    assert found.keys() == {service.value for service in Service}
    for name, one in found.items():
        assert one["wanted"], name
        assert one["state"] == "running", one


@pytest.mark.spec("M-005")
@pytest.mark.spec("M-006")
@pytest.mark.spec("M-013")
def test_a_stopped_service_refuses_connections_in_all_processes_until_it_is_started(pair):
    began = time.monotonic()
    pair.manage("service", "stop", "imap")
    assert all(refuses(pair.port("imap")) and refuses(pair.port("imaps")) for _ in range(8))
    assert not refuses(pair.port("smtp"))
    assert not refuses(pair.port("pop3"))
    assert state_of(pair, "imap")["state"] == "stopped"
    pair.manage("service", "start", "imap")
    with imaplib.IMAP4("127.0.0.1", pair.port("imap"), timeout=10) as imap:
        imap.login(ADDRESS, PASSWORD)
    assert time.monotonic() - began < 30


@pytest.mark.spec("M-008")
def test_sessions_finish_what_they_are_about_when_all_services_stop(pair):
    smtp = smtplib.SMTP("127.0.0.1", pair.port("smtp"), timeout=20)
    smtp.ehlo()
    smtp.mail("x@elsewhere.example")
    smtp.rcpt(ADDRESS)
    pop = poplib.POP3("127.0.0.1", pair.port("pop3"), timeout=20)
    pop.user(ADDRESS)
    pop.pass_(PASSWORD)
    imap = imaplib.IMAP4("127.0.0.1", pair.port("imap"), timeout=20)
    imap.login(ADDRESS, PASSWORD)
    pair.manage("service", "stop", "all")
    assert refuses(pair.port("smtp"))
    assert refuses(pair.port("imap"))
    assert refuses(pair.port("pop3"))
    # SMTP: to the end of the message, then 421.
    assert smtp.data(b"Subject: last\r\n\r\nlast\r\n")[0] == 250
    assert smtp.getreply()[0] == 421
    # POP: until QUIT. IMAP: a session that is idle gets BYE.
    assert pop.stat() is not None
    assert pop.noop().startswith(b"+OK")
    assert pop.quit().startswith(b"+OK")
    assert b"BYE" in imap.readline()
    assert imap.readline() == b""
    wait_for(lambda: state_of(pair, "smtp")["state"] == "stopped")


@pytest.mark.spec("M-008")
def test_after_the_limit_sessions_are_cut(pair, tmp_path):
    path = tmp_path / "limit.yaml"
    path.write_text("settings: {listeners: {stop_seconds: 1}}\n")
    pair.manage("apply", str(path))
    pop = poplib.POP3("127.0.0.1", pair.port("pop3"), timeout=20)
    pop.user(ADDRESS)
    pop.pass_(PASSWORD)
    pair.manage("service", "stop", "pop")
    with pytest.raises((ConnectionError, poplib.error_proto)):
        for _ in range(400):
            pop.noop()
            time.sleep(0.1)
    path.write_text("settings: {listeners: {stop_seconds: 60}}\n")
    pair.manage("apply", str(path))


@pytest.mark.spec("M-007")
def test_start_all_leaves_running_services_alone(pair):
    imap = imaplib.IMAP4("127.0.0.1", pair.port("imap"), timeout=20)
    imap.login(ADDRESS, PASSWORD)
    pair.manage("service", "stop", "pop")
    pair.manage("service", "start", "all")
    assert not refuses(pair.port("pop3"))
    assert imap.noop()[0] == "OK"
    imap.logout()


@pytest.mark.spec("M-010")
def test_a_service_may_be_stopped_on_one_machine_only(pair):
    pair.manage("service", "stop", "pop", "--node", "7")
    assert not refuses(pair.port("pop3"))
    assert not next(
        one for one in listed(pair, "service", "list", "--node", "7") if one["service"] == "pop"
    )["wanted"]
    pair.manage("service", "stop", "pop", "--node", "0")
    assert refuses(pair.port("pop3"))


@pytest.mark.spec("M-005")
def test_starting_answers_with_the_reason_why_it_cannot(pair):
    pair.manage("service", "stop", "pop")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", pair.port("pop3")))
        thief.listen()
        with pytest.raises(subprocess.CalledProcessError) as refused:
            pair.manage("service", "start", "pop")
        assert "in use" in refused.value.stderr
        found = state_of(pair, "pop")
        assert found["state"] == "failing"
        assert "in use" in found["reason"]
    pair.manage("service", "start", "pop")
    wait_for(lambda: state_of(pair, "pop")["state"] == "running", 40)


@pytest.mark.spec("M-011")
@pytest.mark.spec("M-017")
def test_with_the_spool_stopped_mail_is_accepted_and_held(pair):
    pair.manage("service", "stop", "spool")
    for _ in range(4):
        send(pair, b"held")
    time.sleep(1)
    assert count_inbox(pair, b"held") == 0
    assert "Held: service stopped" in pair.manage("spool", "list")
    pair.manage("service", "start", "spool")
    wait_for(lambda: count_inbox(pair, b"held") == 4)


@pytest.mark.spec("M-001")
@pytest.mark.spec("M-012")
def test_what_is_stopped_stays_stopped_over_a_restart(pair):
    for service in ("pop", "spool"):
        pair.manage("service", "stop", service)
    for _ in range(20):
        send(pair, b"patient")
    assert pair.stop() == 0
    pair.start()
    assert refuses(pair.port("pop3"))
    assert not refuses(pair.port("imap"))
    assert count_inbox(pair, b"patient") == 0
    for service in ("pop", "spool"):
        pair.manage("service", "start", service)
    assert not refuses(pair.port("pop3"))
    wait_for(lambda: count_inbox(pair, b"patient") == 20)


def send(server, subject):
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=20) as smtp:
        letter = b"Subject: " + subject + b"\r\n\r\n" + subject + b"\r\n"
        smtp.sendmail("x@elsewhere.example", [ADDRESS], letter)


def count_inbox(server, subject):
    imap = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=20)
    with contextlib.closing(imap.socket()):
        imap.login(ADDRESS, PASSWORD)
        imap.select("INBOX")
        return len(imap.search(None, "SUBJECT", subject.decode())[1][0].split())
