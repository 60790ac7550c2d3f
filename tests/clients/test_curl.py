"""curl speaks SMTP, IMAP and POP3, in clear and behind TLS."""

from __future__ import annotations

import uuid

import pytest

from tests.clients.programs import Mail, Program, compose, program

LOGIN_DENIED = 67  # curl(1), EXIT CODES
TLS_AFTER_START = ["--ssl-reqd", "--insecure"]
TLS_AT_ONCE = ["--insecure"]


@pytest.fixture
def curl(tmp_path) -> Program:
    return program("curl", tmp_path)


def access(mail: Mail, address: str, password: str = "") -> list[str]:
    return ["--silent", "--show-error", "--user", f"{address}:{password or mail.password}"]


@pytest.mark.parametrize(
    ("scheme", "port", "tls"),
    [
        ("smtp", "submission", []),
        ("smtp", "submission", TLS_AFTER_START),
        ("smtps", "submissions", TLS_AT_ONCE),
    ],
)
def test_curl_submits(mail, curl, scheme, port, tls):
    needle = uuid.uuid4().hex
    (curl.home / "letter").write_bytes(compose(mail.bob, mail.alice, needle, "by curl"))
    envelope = ["--mail-from", mail.bob, "--mail-rcpt", mail.alice, "--upload-file", "letter"]
    url = f"{scheme}://{mail.host}:{mail.ports[port]}/client.test"
    curl.run(*access(mail, mail.bob), *tls, *envelope, url)
    assert b"by curl" in mail.wait_for(mail.alice, needle)


@pytest.mark.parametrize(
    ("scheme", "port", "tls"),
    [("imap", "imap", []), ("imap", "imap", TLS_AFTER_START), ("imaps", "imaps", TLS_AT_ONCE)],
)
def test_curl_reads_by_imap(mail, curl, scheme, port, tls):
    mail.empty(mail.alice)
    message = mail.put(mail.alice, "for curl", "text\n.dot")
    base = f"{scheme}://{mail.host}:{mail.ports[port]}"
    said = access(mail, mail.alice) + tls
    assert "EXISTS" in curl.run(*said, f"{base}/", "--request", "EXAMINE INBOX")
    assert "* SEARCH 1" in curl.run(*said, f"{base}/INBOX?SUBJECT%20curl")
    curl.run(*said, "--output", "read", f"{base}/INBOX;MAILINDEX=1")
    assert (curl.home / "read").read_bytes() == message


def test_curl_appends_by_imap(mail, curl):
    mail.empty(mail.alice)
    message = compose(mail.bob, mail.alice, "appended", "by curl")
    (curl.home / "letter").write_bytes(message)
    url = f"imap://{mail.host}:{mail.ports['imap']}/INBOX"
    curl.run(*access(mail, mail.alice), "--upload-file", "letter", url)
    assert mail.inbox(mail.alice) == [message]


@pytest.mark.spec("N-030")
@pytest.mark.parametrize(
    ("scheme", "port", "tls"),
    [("pop3", "pop3", []), ("pop3", "pop3", TLS_AFTER_START), ("pop3s", "pop3s", TLS_AT_ONCE)],
)
def test_curl_reads_by_pop3(mail, curl, scheme, port, tls):
    mail.empty(mail.alice)
    message = mail.put(mail.alice, "for curl", "text\n.dot\n..two")
    base = f"{scheme}://{mail.host}:{mail.ports[port]}"
    said = access(mail, mail.alice) + tls
    assert curl.run(*said, f"{base}/").split() == ["1", str(len(message))]
    curl.run(*said, "--output", "read", f"{base}/1")
    assert (curl.home / "read").read_bytes() == message


@pytest.mark.spec("N-030", "N-011")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_curl_logs_in_to_pop3_by_sasl(mail, curl, mechanism):
    mail.empty(mail.alice)
    mail.put(mail.alice, "for curl")
    option = ["--login-options", f"AUTH={mechanism}"]
    url = f"pop3://{mail.host}:{mail.ports['pop3']}/"
    assert curl.run(*access(mail, mail.alice), *option, url).startswith("1 ")


@pytest.mark.parametrize("scheme", ["imap", "pop3"])
def test_curl_is_refused_with_a_wrong_password(mail, curl, scheme):
    url = f"{scheme}://{mail.host}:{mail.ports[scheme]}/"
    curl.run(*access(mail, mail.alice, "wrong"), url, codes=(LOGIN_DENIED,))
