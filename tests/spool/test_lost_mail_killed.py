"""kill -9 while mail that a crash has cut off is put into the spool."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connections

from blobs.reading import forget_all
from clock.moments import utc_now
from mailboxes.models import Message
from spool import proof, requeueing
from spool.models import LostRecord, LostState, SpooledRecipient
from tests import databases
from tests.spool import outgoing
from tests.spool.killed import LATER
from tests.spool.test_lost_mail import crash, prepared, start_again, with_id

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("one"),
    pytest.mark.spec("S-058"),
]
NAMELESS = b"From: a@one.example\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nHi.\r\n"


@pytest.fixture(autouse=True)
def _own_folder(one, settings, tmp_path):
    outgoing.stop_committer()
    settings.MAILHOST_DATA = tmp_path


def kills() -> int:
    """How many processes were killed before one came to its end."""
    outgoing.stop_committer()
    connections.close_all()
    done = subprocess.run(
        [sys.executable, "-m", "tests.spool.killed"],
        cwd=databases.ROOT, env=databases.own_environment(), stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    forget_all()
    return int(done.stdout.splitlines()[-1])


def test_killed_at_any_moment_each_message_arrives_once():
    bodies = [with_id(number) for number in range(1, 5)] + [NAMELESS]
    names = [f"m{number}@far.test" for number in range(len(bodies))]
    crash(
        *[
            prepared("alice@one.example", name, body=body)
            for name, body in zip(names, bodies, strict=True)
        ]
    )
    start_again()
    assert kills() >= 8
    for days in range(3):
        requeueing.requeue_due(now=utc_now() + LATER + timedelta(days=days))
    far = SpooledRecipient.objects.filter(address__endswith="@far.test")
    assert Counter(far.values_list("address", flat=True)) == Counter(names)
    assert Message.objects.filter(folder__account__local_part="alice").count() == len(bodies)
    assert not LostRecord.objects.filter(state=LostState.WAITING).exists()
    assert LostRecord.objects.filter(state=LostState.REQUEUED).count() == len(bodies)
    assert [balance.missing for balance in proof.balances()] == [0]
