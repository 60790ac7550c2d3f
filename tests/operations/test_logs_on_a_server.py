"""Logs, transcripts, metrics and health of a running server."""

from __future__ import annotations

import imaplib
import json
import poplib
import smtplib
import time
import urllib.error
import urllib.request
import zipfile
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from logbook import reading
from logbook.kinds import Kind
from logbook.lines import decode
from tests.running import RunningServer

# Each command is a process that starts Django; on a busy machine that takes its time.
pytestmark = pytest.mark.timeout(300)

PASSWORD = "correct horse battery"
MESSAGE = "From: a@outside.test\r\nSubject: hidden-subject\r\n\r\nhidden-body\r\n"


def soon(question, seconds=20.0):
    end = time.monotonic() + seconds
    while not (value := question()):
        assert time.monotonic() < end, f"never became true: {question}"
        time.sleep(0.1)
    return value


def domain(server: RunningServer, name: str) -> None:
    users = f"[{{username: ann, password: {PASSWORD}}}]"
    text = f"domains: [{{name: {name}, admin: {{username: admin}}, users: {users}}}]"
    server.manage("apply", "-", text=text)


def hand_in(server: RunningServer, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), "client.test", timeout=10) as client:
        client.sendmail("a@outside.test", recipients, MESSAGE)


def get(server: RunningServer, path: str, **headers: str) -> str:
    url = f"http://127.0.0.1:{server.port('http')}{path}"
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def hits(server: RunningServer, kind: str, *words: str, related=False, domains=None):
    """Read as the command does, without the time that a process takes to start."""
    query = reading.Query(words, related, domains and frozenset(domains))
    try:
        found = reading.search(server.data / "logs", Kind(kind), datetime.now(UTC).date(), query)
    except reading.NoLog:
        return []
    return list(found.hits)


def log(server: RunningServer, kind: str, *words: str, domains=None) -> list[str]:
    return [hit.line.text for hit in hits(server, kind, *words, domains=domains)]


def transcript(server: RunningServer, number: str) -> str:
    path = server.data / "logs" / "transcripts" / f"{number}.log"
    if not path.exists():
        return ""
    return "".join(f"{decode(line).text}\n" for line in path.read_bytes().splitlines())


@pytest.mark.spec("M-080", "M-083", "M-084", "M-086")
def test_sessions_and_deliveries_are_found_in_the_logs(server: RunningServer, tmp_path) -> None:
    domain(server, "logged.example")
    hand_in(server, "ann@logged.example")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        hand_in(server, "nobody@logged.example")
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        client.login("ann@logged.example", PASSWORD)
    mine = ["logged.example"]
    (refused,) = soon(lambda: log(server, "smtp", "nobody@LOGGED.example", "550"))
    related = hits(server, "smtp", "nobody@logged.example", related=True)
    assert [hit.line.text for hit in related if hit.is_hit] == [refused]
    assert len({hit.line.session for hit in related}) == 1
    assert "connected from 127.0.0.1" in related[0].line.text
    assert any("FROM:<a@outside.test>" in hit.line.text for hit in related)
    soon(lambda: log(server, "imap", "logged in as account", domains=mine))
    soon(lambda: log(server, "delivery", "accepted from <a@outside.test>", domains=mine))
    assert log(server, "smtp", domains=["other.example"]) == []
    everything = "\n".join(log(server, "smtp") + log(server, "delivery") + log(server, "imap"))
    assert PASSWORD not in everything
    assert "hidden" not in everything
    of_domain = ("--domain", "logged.example")
    printed = server.manage("log", "search", "smtp", "nobody@logged", "--related", *of_domain)
    assert printed.count("* ") == 1
    server.manage("log", "download", "smtp", str(tmp_path / "log.zip"), *of_domain)
    with zipfile.ZipFile(tmp_path / "log.zip") as archive:
        assert b"nobody@logged.example" in archive.read(archive.namelist()[0])
    assert log(server, "admin", "downloaded a log")


@pytest.mark.spec("M-088")
def test_a_changed_level_acts_while_the_server_runs(server: RunningServer) -> None:
    def probe(word: str) -> bool:
        with smtplib.SMTP("127.0.0.1", server.port("smtp"), "client.test", timeout=10) as client:
            client.docmd("NOOP", word)
        return bool(log(server, "smtp", word))

    assert not probe("normal-level")
    time.sleep(0.5)
    assert not log(server, "smtp", "normal-level")
    server.manage("apply", "-", text="settings: {logs: {detailed: [smtp]}}")
    try:
        soon(lambda: probe("detailed-level"))
    finally:
        server.manage("apply", "-", text="settings: {logs: {detailed: []}}")


@pytest.mark.spec("M-088")
def test_a_transcript_shows_the_dialogue_of_one_user_without_secrets(server) -> None:
    domain(server, "heard.example")
    open_already = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=10)
    open_already.user("ann@heard.example")
    open_already.pass_(PASSWORD)
    number = server.manage("transcript", "start", "ann@heard.example").strip()

    def is_heard() -> bool:
        open_already.noop()
        return "C: NOOP" in transcript(server, number)

    soon(is_heard)
    open_already.quit()
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        client.login("ann@heard.example", PASSWORD)
        client.append("INBOX", None, None, MESSAGE.encode())
        client.select("INBOX")
        client.fetch("1", "(BODY[])")
    hand_in(server, "ann@heard.example")
    hand_in(server, "admin@heard.example")
    soon(lambda: "RCPT ann@heard.example" in transcript(server, number))
    time.sleep(0.5)
    shown = transcript(server, number)
    assert "C: NOOP" in shown
    assert "FETCH 1 (BODY[])" in shown
    assert f"[{len(MESSAGE)} bytes]" in shown
    assert "[message of" in shown
    assert "admin@heard.example" not in shown
    assert PASSWORD not in shown
    assert "hidden-body" not in shown
    server.manage("transcript", "stop", number)

    def is_over() -> bool:
        nonlocal shown
        before, shown = shown, transcript(server, number)
        hand_in(server, "ann@heard.example")
        time.sleep(0.5)
        return before == shown == transcript(server, number)

    soon(is_over)
    assert len(server.manage("transcript", "show", number).splitlines()) == shown.count("\n")
    assert log(server, "admin", "started a transcript")
    assert log(server, "admin", "stopped a transcript")


@pytest.mark.spec("M-090")
def test_metrics_follow_the_mail_and_health_follows_the_parts(server: RunningServer) -> None:
    def value(name: str, **labels: str) -> float:
        for family in text_string_to_metric_families(get(server, "/metrics")):
            assert family.documentation
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        raise AssertionError(name)

    domain(server, "measured.example")
    accepted = value("mailhost_recipients_accepted_total")
    delivered = value("mailhost_recipients_ended_total", end="delivered")
    hand_in(server, "ann@measured.example")
    assert value("mailhost_recipients_accepted_total") >= accepted + 1
    assert value("mailhost_recipients_ended_total", end="delivered") >= delivered + 1
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        client.login("ann@measured.example", PASSWORD)
        soon(lambda: value("mailhost_sessions", service="imap", is_logged_in="yes") >= 1)
    assert value("mailhost_processes") == 1
    assert value("mailhost_disk_free_bytes") > 0
    assert value("mailhost_queue_recipients", state="held") == 0
    soon(lambda: value("mailhost_log_lines_written_total", log="smtp") > 0)
    assert get(server, "/healthz") == "ok\n"
    health = json.loads(get(server, "/readyz"))
    assert (health["status"], health["mail"], health["database"]) == ("ok", "ok", "ok")


@pytest.mark.spec("M-090")
def test_strangers_behind_a_proxy_get_no_metrics(server: RunningServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(server, "/metrics", **{"X-Forwarded-For": "192.0.2.1"})
    assert refused.value.code == 403
    health = json.loads(get(server, "/readyz", **{"X-Forwarded-For": "192.0.2.1"}))
    assert health == {"status": "ok"}
