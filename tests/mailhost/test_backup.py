"""A server is copied while it runs, and all of its mail is read from the copy."""

from __future__ import annotations

import imaplib
import json
import smtplib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import LazySettings

from blobs import keeping, sweep
from blobs.models import Area, Segment
from clock.moments import utc_now
from mailhost.backup import restoring, taking
from mailhost.backup.contents import BackupError
from mailhost.backup.files import Copied
from tests import databases
from tests.reading import wait_for
from tests.running import RunningServer

PASSWORD = "correct horse battery"
BEFORE, LARGE = 12, 300_000


@pytest.fixture
def old(tmp_path: Path, database_url: str | None) -> Iterator[RunningServer]:
    """A server with mail, part of it waiting for another server that takes none."""
    with databases.fresh(database_url) as url:
        server = RunningServer(
            tmp_path / "old", database_url=url, failed_login_ms=20, outgoing_port=9,
            dns_servers="127.0.0.1:9", domain_roots=str(tmp_path / "elsewhere"),
        )  # fmt: skip
        server.start()
        yield server
        server.stop()


@pytest.fixture
def new(tmp_path: Path, database_url: str | None) -> Iterator[RunningServer]:
    """One that was never started."""
    with databases.fresh(database_url, is_empty=True) as url:
        roots = str(tmp_path / "elsewhere")
        server = RunningServer(tmp_path / "new", database_url=url, domain_roots=roots)
        yield server
        if server.process is not None:
            server.stop()


def the_site(tmp_path: Path) -> dict[str, Any]:
    def domain(name: str, **more: object) -> dict[str, Any]:
        admin, alice = ({"username": one, "password": PASSWORD} for one in ("admin", "alice"))
        return {"name": name, "admin": admin, "users": [alice], **more}

    far = str(tmp_path / "elsewhere" / "far")
    return {"domains": [domain("own.example"), domain("far.example", folder_path=far)]}


def fill(server: RunningServer, tmp_path: Path) -> None:
    server.manage("apply", "-", text=yaml.safe_dump(the_site(tmp_path)))


@contextmanager
def sending(server: RunningServer) -> Iterator[Callable[..., None]]:
    """A session of alice's: `send(subject, recipient)` returns when the message is accepted."""
    with smtplib.SMTP("127.0.0.1", server.port("submission"), timeout=30) as smtp:
        smtp.starttls()
        smtp.login("alice@own.example", PASSWORD)

        def send(subject: str, recipient: str, size_bytes: int = 200) -> None:
            body = ("x" * 76 + "\r\n") * (size_bytes // 78)
            message = f"From: alice@own.example\r\nSubject: {subject}\r\n\r\n{body}"
            smtp.sendmail("alice@own.example", [recipient], message)

        yield send


def subjects(server: RunningServer, login: str) -> tuple[set[str], int]:
    """The subjects in the Inbox, each message read whole, and its UIDVALIDITY."""
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=30) as client:
        client.starttls()
        client.login(login, PASSWORD)
        client.select("INBOX")
        validity = int(client.response("UIDVALIDITY")[1][0])  # type: ignore[arg-type]
        _, parts = client.fetch("1:*", "(BODY.PEEK[])")
        whole = [part[1] for part in parts if isinstance(part, tuple)]
    found = {
        line.removeprefix(b"Subject: ").decode()
        for message in whole
        for line in message.split(b"\r\n")
        if line.startswith(b"Subject: ")
    }
    return found, validity


@pytest.mark.timeout(300)
def test_all_mail_of_a_running_server_is_read_from_its_backup(
    old: RunningServer, new: RunningServer, tmp_path: Path
) -> None:
    fill(old, tmp_path)
    stop, is_going_on = threading.Event(), threading.Event()
    with sending(old) as send:
        for number in range(BEFORE):
            domain = "far" if number % 2 else "own"
            size_bytes = LARGE if number < 4 else 200
            send(f"before {number}", f"alice@{domain}.example", size_bytes)
        send("waits", "somebody@elsewhere.example")

        def go_on() -> None:
            for number in count():
                if stop.is_set():
                    return
                send(f"meanwhile {number}", "alice@own.example")
                is_going_on.set()

        writer = threading.Thread(target=go_on)
        writer.start()
        try:
            assert is_going_on.wait(30)
            for folder in (old.data / "domains/own.example", tmp_path / "elsewhere/far"):
                wait_for((folder / "manifest.json").exists)
            made = json.loads(old.manage("backup", str(tmp_path / "backup"), "--json"))
        finally:
            stop.set()
            writer.join()
    assert made["size_bytes"] > 4 * LARGE and made["files"] > 5
    before_own, validity = subjects(old, "alice@own.example")
    # The folder of that domain lies outside of the data: it must be free for the other server.
    assert old.stop() == 0
    (tmp_path / "elsewhere" / "far").rename(tmp_path / "gone")

    done = json.loads(new.manage("restore", str(tmp_path / "backup"), "--json"))
    assert done["held"] == 1
    new.start()
    own, restored_validity = subjects(new, "alice@own.example")
    far, _ = subjects(new, "alice@far.example")
    assert {f"before {n}" for n in range(0, BEFORE, 2)} <= own <= before_own
    assert far == {f"before {n}" for n in range(1, BEFORE, 2)}
    assert restored_validity > validity
    with sending(new) as send:
        send("after", "alice@own.example")
    assert "after" in subjects(new, "alice@own.example")[0]
    # What opens the secrets in the database.
    key = Path("keys/server.key")
    assert (new.data / key).read_bytes() == (old.data / key).read_bytes()


@pytest.mark.spec("X-031", lacks="a message store for each machine")
@pytest.mark.timeout(300)
def test_a_server_that_outgrows_sqlite_moves_to_postgresql(
    tmp_path: Path, database_url: str | None
) -> None:
    if database_url is None or not database_url.startswith("postgres"):
        pytest.skip("needs PostgreSQL")
    small = RunningServer(tmp_path / "small", failed_login_ms=20)
    roots = str(tmp_path / "elsewhere")
    small.environment["MAILHOST_DOMAIN_ROOTS"] = roots
    small.manage("migrate", "-v0")
    fill(small, tmp_path)
    small.manage("backup", str(tmp_path / "backup"))
    with databases.fresh(database_url, is_empty=True) as fresh:
        grown = RunningServer(tmp_path / "grown", database_url=fresh, domain_roots=roots)
        (tmp_path / "elsewhere" / "far").rename(tmp_path / "gone")
        grown.manage("restore", str(tmp_path / "backup"), "--moved")
        # All is there but the new user, who gets a key of his own.
        site = the_site(tmp_path)
        site["domains"][0]["users"].append({"username": "ben", "password": PASSWORD})
        told = grown.manage("apply", "-", text=yaml.safe_dump(site)).splitlines()
        assert told[0] == "+ user ben@own.example" and len(told) == 2


@pytest.fixture
def data(tmp_path: Path, settings: LazySettings) -> Path:
    """A data folder as a first command has made it."""
    settings.MAILHOST_DATA = tmp_path / "data"
    (settings.MAILHOST_DATA / "keys").mkdir(parents=True)
    (settings.MAILHOST_DATA / "keys" / "server.key").write_text("key")
    return Path(settings.MAILHOST_DATA)


def test_a_backup_goes_into_a_new_folder_outside_of_the_data(data: Path, tmp_path: Path) -> None:
    for folder, words in (
        (tmp_path, "in the server's own data, or they in it"),
        (data / "spool" / "copy", "own data"),
        (data.parent / "there", "is there already"),
    ):
        (tmp_path / "there").mkdir(exist_ok=True)
        with pytest.raises(BackupError, match=words):
            taking.take(folder, now=utc_now())
    assert not (data / "spool").exists() and (tmp_path / "there").exists()


@pytest.mark.django_db(transaction=True)
def test_a_backup_that_fails_leaves_no_folder_and_an_unfinished_one_is_none(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Copied, "copy", full)
    with pytest.raises(BackupError, match="No space left"):
        taking.take(tmp_path / "backup", now=utc_now())
    assert not (tmp_path / "backup").exists()
    (tmp_path / "backup").mkdir()
    with pytest.raises(BackupError, match="is no backup, or one that was not finished"):
        restoring.restore(tmp_path / "backup", now=utc_now())


@pytest.mark.django_db(transaction=True)
def test_what_has_been_exported_is_not_copied(data: Path, tmp_path: Path) -> None:
    (data / "exports").mkdir()
    (data / "exports" / "mailbox-1.zip").write_bytes(b"a whole mailbox")
    taking.take(tmp_path / "backup", now=utc_now())
    copied = tmp_path / "backup" / "data"
    assert (copied / "keys" / "server.key").read_text() == "key"
    assert not (copied / "exports").exists()


@pytest.mark.django_db(transaction=True)
def test_segments_stay_while_a_backup_is_made(data: Path) -> None:
    area = Area.objects.create(name="kept", path="kept", kind=Area.Kind.DOMAIN)
    area.directory.mkdir()
    then = utc_now() - timedelta(hours=1)
    segment = Segment.objects.create(area=area, sealed_at=then, emptied_at=then)
    segment.path.write_bytes(b"")
    with keeping.all_kept(), keeping.all_kept():
        sweep.sweep(now=utc_now())
        assert segment.path.exists()
    sweep.sweep(now=utc_now())
    assert not segment.path.exists() and not Segment.objects.filter(pk=segment.pk).exists()
