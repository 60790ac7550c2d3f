"""Python's own imaplib, poplib and smtplib, as scripts everywhere use them."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import uuid

import pytest

from tests.bench.systems import unverified_tls
from tests.clients.programs import compose


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_smtplib_submits(mail, tls):
    needle = uuid.uuid4().hex
    if tls == "implicit":
        port = mail.ports["submissions"]
        smtp = smtplib.SMTP_SSL(mail.host, port, timeout=20, context=unverified_tls())
    else:
        smtp = smtplib.SMTP(mail.host, mail.ports["submission"], timeout=20)
    with smtp:
        if tls == "starttls":
            smtp.starttls(context=unverified_tls())
        smtp.login(mail.bob, mail.password)
        assert (
            smtp.sendmail(mail.bob, [mail.alice], compose(mail.bob, mail.alice, needle, "x")) == {}
        )
    mail.wait_for(mail.alice, needle)


@pytest.mark.spec("N-030", "N-004")
@pytest.mark.parametrize("tls", ["none", "stls", "implicit"])
def test_poplib_reads_and_deletes(mail, tls):
    mail.empty(mail.alice)
    message = mail.put(mail.alice, "for poplib", "one\n.two\n..three\n.")
    if tls == "implicit":
        pop = poplib.POP3_SSL(mail.host, mail.ports["pop3s"], timeout=20, context=unverified_tls())
    else:
        pop = poplib.POP3(mail.host, mail.ports["pop3"], timeout=20)
    if tls == "stls":
        assert pop.stls(context=unverified_tls()).startswith(b"+OK")
    assert "UIDL" in pop.capa()
    pop.user(mail.alice)
    pop.pass_(mail.password)
    assert pop.stat() == (1, len(message))
    assert b"\r\n".join(pop.retr(1)[1]) + b"\r\n" == message
    assert pop.top(1, 0)[1][-1] == b""
    pop.dele(1)
    pop.quit()
    assert mail.inbox(mail.alice) == []


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_imaplib_reads_sorts_and_deletes(mail, tls):
    mail.empty(mail.alice)
    message = mail.put(mail.alice, "for imaplib")
    if tls == "implicit":
        imap = imaplib.IMAP4_SSL(mail.host, mail.ports["imaps"], ssl_context=unverified_tls())
    else:
        imap = imaplib.IMAP4(mail.host, mail.ports["imap"], timeout=20)
    with imap:
        if tls == "starttls":
            imap.starttls(ssl_context=unverified_tls())
        imap.authenticate("PLAIN", lambda _: f"\0{mail.alice}\0{mail.password}".encode())
        folder = f"Clients/{uuid.uuid4().hex}"
        assert imap.create(folder)[0] == "OK"
        assert imap.select("INBOX") == ("OK", [b"1"])
        assert imap.fetch("1", "(RFC822)")[1][0][1] == message
        assert imap.copy("1", folder)[0] == "OK"
        assert imap.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
        assert imap.expunge() == ("OK", [b"1"])
        assert b"MESSAGES 1" in imap.status(folder, "(MESSAGES)")[1][0]
        assert imap.delete(folder)[0] == "OK"
