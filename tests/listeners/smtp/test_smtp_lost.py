"""What a client said of a message that a crash cut off is what its recipients' servers are told."""

from __future__ import annotations

import base64
from datetime import timedelta

import msgspec
import pytest
from django.conf import settings as conf

from blobs import record
from blobs.committer import stop_process_committer
from blobs.group import GroupWriter
from clock.moments import utc_now
from spool import maintenance, requeueing
from spool.models import LostRecord, SpooledMessage
from tests.factories import PASSWORD

ALWAYS = {"id", "sender", "origin", "kind", "domain", "recipients", "accepted_at"}


@pytest.fixture
def data(settings, tmp_path):
    """What is left there is no other test's."""
    settings.MAILHOST_DATA = tmp_path / "data"


def log_in(one):
    one.hello()
    given = base64.b64encode(f"\0alice@example.com\0{PASSWORD}".encode()).decode()
    assert one.say(f"AUTH PLAIN {given}").startswith("235")


def submit(one, parameters=""):
    assert one.say(f"MAIL FROM:<alice@example.com>{parameters}").startswith("250")
    assert one.say("RCPT TO:<bob@example.com> NOTIFY=FAILURE").startswith("250")
    return one.submit(b"From: alice@example.com\r\nSubject: a\r\n\r\nHello\r\n")


def segments():
    return sorted((conf.MAILHOST_DATA / "spool").rglob("*.seg"))


def crash_after(submission, monkeypatch):
    """The process dies between the sync of the record and the COMMIT of its rows."""

    def dies(*_):
        raise RuntimeError("no more power")

    with monkeypatch.context() as patched:
        patched.setattr(GroupWriter, "_transact", dies)
        assert submission().startswith("451")
        left = {path: path.read_bytes() for path in segments()}
    stop_process_committer(20)
    for path, content in left.items():
        path.write_bytes(content)
    maintenance.recover(now=utc_now())


@pytest.mark.spec("S-058")
@pytest.mark.spec("N-021")
def test_ret_envid_and_priority_survive_a_crash(data, talk, monkeypatch):
    one = talk("tls")
    log_in(one)
    wishes = " RET=HDRS ENVID=a+2Bb MT-PRIORITY=3"
    crash_after(lambda: submit(one, wishes), monkeypatch)
    assert LostRecord.objects.get().recipients == ["bob@example.com"]
    assert not SpooledMessage.objects.exists()
    assert requeueing.requeue_due(now=utc_now() + timedelta(hours=1)) == 1
    message = SpooledMessage.objects.get()
    assert (message.ret, message.envid, message.manual_priority) == ("HDRS", "a+b", 7)
    recipient = message.recipients.get()
    assert (recipient.notify, recipient.priority) == ("FAILURE", 7)


def test_the_record_of_an_ordinary_message_does_not_grow_by_them(data, talk):
    one = talk("tls")
    log_in(one)
    assert submit(one).startswith("250")
    found = [seen for path in segments() for seen in record.scan(path)]
    assert [set(msgspec.json.decode(seen.meta)) for seen in found] == [ALWAYS]
