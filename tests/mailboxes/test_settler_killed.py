from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from blobs.committer import stop_process_committer
from blobs.models import Blob
from blobs.reading import forget_all
from blobs.store import locate, read_body
from mailboxes.models import Message
from mailboxes.settler import Settler
from mailboxes.verify import verify, verify_references
from tests import databases
from tests.mailboxes.conftest import MESSAGE

SETTLER = """
import django; django.setup()
from datetime import timedelta
from mailboxes import settler
settler.BATCH_MESSAGES = 7
one = settler.Settler(settle_after=timedelta(0))
print("ready", flush=True)
while True:
    one.run_once()
"""


@pytest.mark.spec("N-041")
@pytest.mark.spec("D-034")
def test_a_settler_killed_at_any_moment_loses_and_doubles_nothing(append, make_account, account):
    """kill -9 between copying, syncing and committing, again and again."""
    other = make_account()
    bodies = {}
    chance = random.Random(5)
    environment = databases.own_environment()
    for turn in range(3):
        for n in range(20):
            body = MESSAGE + b"%d %d\r\n" % (turn, n) * 40
            done = append(body, owner=chance.choice((account, other)))
            bodies[done.message_id] = body
        process = subprocess.Popen(
            [sys.executable, "-c", SETTLER], env=environment, stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    settler = Settler(settle_after=timedelta(0))
    while settler.run_once():
        pass
    settler.close()
    stop_process_committer(20)
    forget_all()
    rows = {row.pk: row for row in Message.objects.select_related("folder__account__domain")}
    assert rows.keys() == bodies.keys()
    for pk, row in rows.items():
        location = locate([row.blob_id])[row.blob_id]
        assert read_body(location) == bodies[pk]
        area_id = Blob.objects.get(pk=row.blob_id).segment.area_id
        assert area_id == row.folder.account.domain.area_id
        assert row.is_settled
    assert verify() == []
    assert verify_references(lambda first, last: {}) == []
