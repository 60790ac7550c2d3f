"""mbsync and offlineimap keep a Maildir and an IMAP account the same, in both directions."""

from __future__ import annotations

import mailbox

import pytest

from tests.clients.programs import Mail, Program, compose, program


@pytest.fixture
def mbsync(tmp_path) -> Program:
    return program("mbsync", tmp_path)


@pytest.fixture
def offlineimap(tmp_path) -> Program:
    return program("offlineimap", tmp_path)


def sync(mbsync: Program, mail: Mail, tls: str, port: str) -> None:
    (mbsync.home / "mail").mkdir(exist_ok=True)
    mbsync.write(
        ".mbsyncrc",
        # mbsync looks for names in a certificate, not for addresses.
        f"IMAPAccount server\nHost localhost\nPort {mail.ports[port]}\nUser {mail.alice}\n"
        f'Pass "{mail.password}"\nSSLType {tls}\n'
        + ("" if tls == "None" else f"CertificateFile {mbsync.home}/server.pem\n")
        + "\nIMAPStore far\nAccount server\n"
        f"\nMaildirStore near\nPath {mbsync.home}/mail/\nInbox {mbsync.home}/mail/INBOX\n"
        "SubFolders Verbatim\n"
        "\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\n"
        "SyncState *\n",
    )
    mbsync.run("--all")


def subjects(folder: mailbox.Maildir) -> list[str]:
    return sorted(str(message["Subject"]) for message in folder)


@pytest.mark.parametrize(
    ("tls", "port"), [("None", "imap"), ("STARTTLS", "imap"), ("IMAPS", "imaps")]
)
def test_mbsync_syncs_both_ways(mail, mbsync, tls, port):
    mail.empty(mail.alice)
    mail.put(mail.alice, "from the server 1")
    mail.put(mail.alice, "from the server 2")
    if tls != "None":
        (mbsync.home / "server.pem").write_text(mail.certificate())
    sync(mbsync, mail, tls, port)
    near = mailbox.Maildir(mbsync.home / "mail" / "INBOX")
    assert subjects(near) == ["from the server 1", "from the server 2"]

    own = mailbox.MaildirMessage(compose(mail.bob, mail.alice, "from here", "x"))
    own.set_flags("FS")
    near.add(own)
    gone = next(key for key, message in near.items() if message["Subject"].endswith("server 1"))
    near.remove(gone)
    sync(mbsync, mail, tls, port)
    assert len(mail.inbox(mail.alice)) == 2
    assert mail.flags(mail.alice, "from here") == {"\\Flagged", "\\Seen"}

    sync(mbsync, mail, tls, port)
    assert subjects(near) == ["from here", "from the server 2"]


def test_offlineimap_syncs_both_ways(mail, offlineimap):
    mail.empty(mail.alice)
    mail.put(mail.alice, "from the server")
    offlineimap.write(
        ".offlineimaprc",
        "[general]\naccounts = a\nmaxsyncaccounts = 1\n"
        "[Account a]\nlocalrepository = near\nremoterepository = far\n"
        f"[Repository near]\ntype = Maildir\nlocalfolders = {offlineimap.home}/mail\n"
        f"[Repository far]\ntype = IMAP\nremotehost = {mail.host}\n"
        f"remoteport = {mail.ports['imap']}\nremoteuser = {mail.alice}\n"
        f"remotepass = {mail.password}\nssl = no\nstarttls = no\n"
        "auth_mechanisms = PLAIN, LOGIN\n",
    )
    offlineimap.run("-o", "-1", "-u", "basic")
    near = mailbox.Maildir(offlineimap.home / "mail" / "INBOX")
    assert subjects(near) == ["from the server"]

    own = mailbox.MaildirMessage(compose(mail.bob, mail.alice, "from here", "x"))
    own.set_flags("S")
    near.add(own)
    offlineimap.run("-o", "-1", "-u", "basic")
    assert len(mail.inbox(mail.alice)) == 2
    assert mail.flags(mail.alice, "from here") == {"\\Seen"}

    mail.empty(mail.alice)
    offlineimap.run("-o", "-1", "-u", "basic")
    assert subjects(near) == []
