"""Administrators are told once when the disk space of their domain runs out (D-082, D-083)."""

from __future__ import annotations

import imaplib
import re
import smtplib
import time
from email import message_from_bytes, policy

import pytest

from accounts import administrators
from blobs import committer
from domains.policy import MEGABYTE
from mailboxes.models import DomainUsage, Message
from spool import spacewarnings
from spool.models import SpooledMessage, SpooledRecipient
from tests import factories
from tests.running import RunningServer

PASSWORD = "correct horse battery"


@pytest.fixture
def own_road(settings, transactional_db):
    settings.EMAIL_BACKEND = "spool.backend.SpoolBackend"
    yield
    committer.stop_process_committer()


@pytest.mark.parametrize(
    ("percent", "before", "is_refusing", "after"),
    [
        (89, 0, False, 0), (90, 0, False, 90), (99, 0, False, 90), (100, 0, False, 100),
        (96, 90, True, 100), (94, 90, True, 90), (50, 0, True, 0),
        (99, 100, False, 100), (95, 100, False, 100), (94, 100, False, 90),
        (85, 90, False, 90), (84, 90, False, 0),
    ],
)  # fmt: skip
def test_levels_are_left_only_well_below_them(percent, before, is_refusing, after):
    used = percent * 1000
    assert spacewarnings.level(used, 100_000, before=before, is_refusing=is_refusing) == after
    assert spacewarnings.level(used, None, before=before, is_refusing=is_refusing) == 0


def test_a_domain_of_many_gigabytes_is_told_of_like_any_other(own_road):
    domain = factories.make_domain("large.example", limits={"disk_space_mb": 500_000})
    DomainUsage.objects.update_or_create(domain=domain, defaults={"bytes": 460_000 * MEGABYTE})
    assert spacewarnings.warn_all() == 1


def test_every_administrator_is_told_once_for_each_crossing(own_road):
    domain = factories.make_domain("one.example", "user", limits={"disk_space_mb": 10})
    administrators.grant(user=factories.make_user(domain, "second"), by=None)
    factories.make_domain("without.example", limits={"disk_space_mb": 0})

    def told_when_used(megabytes: float) -> int:
        used = int(megabytes * MEGABYTE)
        DomainUsage.objects.update_or_create(domain=domain, defaults={"bytes": used})
        before = Message.objects.count()
        written = spacewarnings.warn_all() + spacewarnings.warn_all()
        assert Message.objects.count() == before + written, "it bypasses the limit"
        return written

    told = [told_when_used(used) for used in (8.9, 9, 9.5, 10, 9.6, 10, 9.4, 10.1, 1, 9.1, 0)]
    assert told == [0, 2, 0, 2, 0, 0, 0, 2, 0, 2, 0]
    read_by = SpooledRecipient.objects.values_list("address", flat=True).distinct()
    assert set(read_by) == {"admin@one.example", "second@one.example"}
    assert set(SpooledMessage.objects.values_list("sender", flat=True)) == {""}


@pytest.mark.spec("D-082")
@pytest.mark.spec("D-083", lacks="the events of E-030")
def test_a_full_domain_refuses_mail_and_its_administrator_hears_of_it(server: RunningServer):
    file = f"""
domains:
  - name: full.example
    admin: {{username: admin, password: {PASSWORD}}}
    users: [{{username: ann, password: {PASSWORD}}}]
    limits: {{disk_space_mb: 1}}
"""
    server.manage("apply", "-", text=file)
    line = b"x" * 70 + b"\r\n"
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=10) as smtp:
        smtp.sendmail("eve@far.example", "ann@full.example", b"Subject: 1\r\n\r\n" + line * 14_000)
        for _ in range(3):
            # Without SIZE nobody knows before the end of the data that it does not fit.
            smtp.ehlo_or_helo_if_needed()
            smtp.mail("eve@far.example")
            assert smtp.rcpt("ann@full.example")[0] == 250
            assert smtp.data(b"Subject: 2\r\n\r\n" + line * 1_000) == (452, b"4.2.2 Mailbox full")
        smtp.mail("eve@far.example", ["SIZE=72000"])
        assert smtp.rcpt("ann@full.example") == (452, b"4.2.2 Mailbox full")
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        client.login("admin@full.example", PASSWORD)
        assert client.select()[0] == "OK"
        deadline = time.monotonic() + 60
        # The notice at 90 %, sent each minute, may have come before it.
        full = ("SUBJECT", '"no disk space left"')
        while client.search(None, *full)[1] == [b""] and time.monotonic() < deadline:
            time.sleep(0.1)
            client.noop()
        time.sleep(2.5)  # another round would have told again
        client.noop()
        [number] = client.search(None, *full)[1][0].split()
        [(_, body), _] = client.fetch(number.decode(), "(BODY[])")[1]
    mail = message_from_bytes(body, policy=policy.default)
    assert mail["Subject"] == "full.example has no disk space left"
    assert mail["Return-Path"] == "<>"
    text = mail.get_content()
    assert "is refused" in text and re.search(r"disk space: \d+ KB of 1 MB\.", text)
