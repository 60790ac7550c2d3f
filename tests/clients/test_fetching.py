"""fetchmail and getmail fetch over POP3 and IMAP, and delete when they are told to."""

from __future__ import annotations

import mailbox

import pytest

from tests.clients.programs import Mail, Program, program

NOTHING_NEW = 1  # fetchmail(1), EXIT CODES


@pytest.fixture
def fetchmail(tmp_path) -> Program:
    return program("fetchmail", tmp_path)


@pytest.fixture
def getmail(tmp_path) -> Program:
    return program("getmail", tmp_path)


def fetch(
    fetchmail: Program, mail: Mail, protocol: str, port: str, options: str, uidl: str = ""
) -> None:
    fetchmail.write(
        ".fetchmailrc",
        f"poll {mail.host} protocol {protocol} service {mail.ports[port]} {uidl}\n"
        f"  user '{mail.alice}' password '{mail.password}'\n"
        f"  mda '/bin/cat >> {fetchmail.home}/fetched' {options}\n",
    )
    # As root it would lock out every other fetchmail of the machine.
    lock = str(fetchmail.home / "fetchmail.pid")
    fetchmail.run("--nosyslog", "--nodetach", "--pidfile", lock, codes=(0, NOTHING_NEW))


def fetched(fetchmail: Program) -> bytes:
    file = fetchmail.home / "fetched"
    return file.read_bytes() if file.exists() else b""


CLEAR = "sslproto ''"
BEHIND_STARTTLS = "sslproto 'TLS1.2+' no sslcertck"
BEHIND_TLS = "ssl no sslcertck"


@pytest.mark.parametrize(
    ("protocol", "port", "tls"),
    [
        ("POP3", "pop3", CLEAR),
        ("POP3", "pop3", BEHIND_STARTTLS),
        ("POP3", "pop3s", BEHIND_TLS),
        ("IMAP", "imap", CLEAR),
        ("IMAP", "imap", BEHIND_STARTTLS),
        ("IMAP", "imaps", BEHIND_TLS),
    ],
)
def test_fetchmail_takes_the_mail_away(mail, fetchmail, protocol, port, tls):
    mail.empty(mail.alice)
    for number in range(3):
        mail.put(mail.alice, f"message {number}")
    fetch(fetchmail, mail, protocol, port, f"{tls} nokeep")
    assert [fetched(fetchmail).count(b"Subject: message %d" % n) for n in range(3)] == [1, 1, 1]
    assert mail.inbox(mail.alice) == []


@pytest.mark.spec("N-030", "M-012")
def test_fetchmail_leaves_the_mail_and_knows_it_again_by_uidl(mail, fetchmail):
    mail.empty(mail.alice)
    mail.put(mail.alice, "kept once")
    for _ in range(2):
        fetch(fetchmail, mail, "POP3", "pop3", f"{CLEAR} keep", "uidl")
    mail.put(mail.alice, "kept later")
    fetch(fetchmail, mail, "POP3", "pop3", f"{CLEAR} keep", "uidl")
    assert fetched(fetchmail).count(b"Subject: kept once") == 1
    assert fetched(fetchmail).count(b"Subject: kept later") == 1
    assert len(mail.inbox(mail.alice)) == 2


@pytest.mark.parametrize(
    ("retriever", "port"),
    [
        ("SimplePOP3Retriever", "pop3"),
        ("SimplePOP3SSLRetriever", "pop3s"),
        ("SimpleIMAPRetriever", "imap"),
        ("SimpleIMAPSSLRetriever", "imaps"),
    ],
)
def test_getmail_keeps_then_takes_the_mail(mail, getmail, retriever, port):
    mail.empty(mail.alice)
    mail.put(mail.alice, "for getmail", "one\n.two")
    for delete in ("false", "false", "true"):
        getmail.write(
            "getmailrc",
            f"[retriever]\ntype = {retriever}\nserver = {mail.host}\nport = {mail.ports[port]}\n"
            f"username = {mail.alice}\npassword = {mail.password}\n"
            "[destination]\ntype = MDA_external\npath = /bin/sh\nunixfrom = true\n"
            f"arguments = ('-c', 'cat >> {getmail.home}/kept')\nallow_root_commands = true\n"
            f"[options]\nread_all = false\ndelete = {delete}\nverbose = 1\n",
        )
        getmail.run(f"--getmaildir={getmail.home}", "--rcfile=getmailrc")
        kept = mailbox.mbox(getmail.home / "kept")
        assert [message["Subject"] for message in kept] == ["for getmail"]
    assert kept.values()[0].get_payload() == "one\n.two\n"
    assert mail.inbox(mail.alice) == []
