"""A post that a list has taken reaches every subscriber, whatever is killed when (L-003)."""

from __future__ import annotations

import random
import smtplib
import time
from collections import Counter

import pytest

from spool.manager import CLAIM_AT_ONCE
from tests.crash.inspection import wait_for_empty_spool
from tests.crash.killing import _end, _wait_until_back
from tests.crash.test_relay import sink, start

assert sink  # the fixture

KILLS = 3
SUBSCRIBERS = 2000
SITE = """
domains:
  - name: lists.test
    admin: {username: admin, password: crash-password-1}
"""
MAKE = f"""
from domains.models import Domain
from mailinglists import membership, services
from mailinglists.membership import NewSubscriber
row = services.create_list(domain=Domain.objects.get(name="lists.test"), local_part="news",
                           values={{"posting": "anyone"}}, by=None)
rows = [NewSubscriber(f"user{{n}}@sink.test") for n in range({SUBSCRIBERS})]
membership.add_subscribers(mailing_list=row, rows=rows, by=None)
"""
LEFT = """
from mailinglists.models import Post
from spool.models import SpooledRecipient
rows = SpooledRecipient.objects.exclude(return_path="")
print(Post.objects.filter(finished_at=None).count(), rows.count())
"""
POST = b"From: kim@lists.test\r\nTo: news@lists.test\r\nSubject: Hello\r\n\r\nHi.\r\n"


def hand_in(server):
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=30) as client:
        client.sendmail("kim@lists.test", ["news@lists.test"], POST)


def posts_left(server):
    """Posts that are still handed on, and copies that were ever put into the spool."""
    unfinished, copies = server.manage("shell", "--no-imports", "-c", LEFT).split()
    return int(unfinished), int(copies)


def wait_until_posted(server):
    """A process that died holds its post for half a minute."""
    deadline = time.monotonic() + 150
    while posts_left(server) != (0, SUBSCRIBERS):
        assert time.monotonic() < deadline, posts_left(server)
        time.sleep(0.5)


@pytest.mark.spec("L-003")
@pytest.mark.timeout(400)
def test_after_kill_9_each_subscriber_has_the_post_and_only_what_was_in_flight_twice(
    tmp_path, sink, own_database
):
    server = start(tmp_path, sink, own_database)
    dice = random.Random(11)
    try:
        server.manage("apply", "-", "--allow-weak-passwords", text=SITE)
        server.manage("shell", "--no-imports", "-c", MAKE)
        hand_in(server)
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.2, 0.6))
            _end(dice.choice(server.pids("serve_mail")))
            _wait_until_back(server)
        wait_until_posted(server)
        wait_for_empty_spool(server)
        server.manage("ledger")
        server.manage("verify")
    finally:
        server.stop()
    found = Counter(
        rcpt.partition("<")[2].partition(">")[0] for taken in sink.taken for rcpt in taken.rcpts
    )
    assert len(found) == SUBSCRIBERS
    # What the other side had taken and no row said yet: never more than one claim had brought.
    assert sum(found.values()) - SUBSCRIBERS <= KILLS * CLAIM_AT_ONCE
