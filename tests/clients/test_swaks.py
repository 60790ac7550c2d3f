"""swaks hands in mail: with and without TLS, with every mechanism."""

from __future__ import annotations

import uuid

import pytest

from tests.clients.programs import Mail, Program, program

REFUSED_AUTH = 28  # swaks(1), EXIT CODES
REFUSED_RECIPIENTS = 24


@pytest.fixture
def swaks(tmp_path) -> Program:
    return program("swaks", tmp_path)


@pytest.fixture
def swaks_tls(swaks) -> Program:
    if "TLS not available" in swaks.run("--support"):
        pytest.skip("swaks has no TLS: libnet-ssleay-perl is not installed")
    return swaks


def letter(mail: Mail, port: str, sender: str, needle: str) -> list[str]:
    where = ["--server", mail.host, "--port", str(mail.ports[port]), "--helo", "client.test"]
    who = ["--from", sender, "--to", mail.alice]
    return [*where, *who, "--header", f"Subject: {needle}", "--body", f"For you: {needle}"]


def test_swaks_delivers_without_tls_and_without_auth(mail, swaks):
    needle = uuid.uuid4().hex
    swaks.run(*letter(mail, "smtp", "stranger@elsewhere.test", needle))
    message = mail.wait_for(mail.alice, f"For you: {needle}")
    assert message.startswith(b"Return-Path: <stranger@elsewhere.test>\r\n")
    assert b"\r\nReceived: from client.test " in message


def test_swaks_delivers_behind_starttls(mail, swaks_tls):
    needle = uuid.uuid4().hex
    swaks_tls.run("--tls", *letter(mail, "smtp", "stranger@elsewhere.test", needle))
    assert b"with ESMTPS" in mail.wait_for(mail.alice, f"For you: {needle}")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_swaks_submits_with_auth_in_clear_on_loopback(mail, swaks, mechanism):
    needle = uuid.uuid4().hex
    auth = ["--auth", mechanism, "--auth-user", mail.bob, "--auth-password", mail.password]
    swaks.run(*auth, *letter(mail, "submission", mail.bob, needle))
    assert b"with ESMTPA" in mail.wait_for(mail.alice, f"For you: {needle}")


@pytest.mark.parametrize(("tls", "port"), [("--tls", "submission"), ("--tlsc", "submissions")])
def test_swaks_submits_with_auth_behind_tls(mail, swaks_tls, tls, port):
    needle = uuid.uuid4().hex
    auth = ["--auth", "PLAIN", "--auth-user", mail.bob, "--auth-password", mail.password]
    swaks_tls.run(tls, *auth, *letter(mail, port, mail.bob, needle))
    assert b"with ESMTPSA" in mail.wait_for(mail.alice, f"For you: {needle}")


def test_swaks_is_refused_with_a_wrong_password(mail, swaks):
    auth = ["--auth", "PLAIN", "--auth-user", mail.bob, "--auth-password", "wrong"]
    said = swaks.run(*auth, *letter(mail, "submission", mail.bob, "x"), codes=(REFUSED_AUTH,))
    assert "535 5.7.8" in said


def test_swaks_finds_no_open_relay(mail, swaks):
    words = letter(mail, "smtp", "stranger@elsewhere.test", "x")
    words[words.index(mail.alice)] = "someone@elsewhere.test"
    assert "550 5.7.1" in swaks.run(*words, codes=(REFUSED_RECIPIENTS,))


def test_swaks_is_told_of_an_unknown_recipient(mail, swaks):
    words = letter(mail, "smtp", "stranger@elsewhere.test", "x")
    words[words.index(mail.alice)] = "nobody-" + mail.alice
    assert "550 5.1.1" in swaks.run(*words, codes=(REFUSED_RECIPIENTS,))
