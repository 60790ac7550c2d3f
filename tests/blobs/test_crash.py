"""kill -9 of a writer at any moment: what was acknowledged is there, nothing is half there."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from blobs.models import Blob, Segment
from blobs.reconcile import bury, reconcile
from blobs.store import locate, read_body, read_meta
from blobs.sweep import sweep
from tests.blobs.crash_writer import body_for

ROUNDS = 5
LEAST = 30  # that are acknowledged in each of them


@pytest.mark.spec("S-001")
@pytest.mark.spec("S-058")
def test_killed_writer_loses_nothing_it_acknowledged(area):
    acknowledged = {}
    for number in range(ROUNDS):
        acknowledged |= run_and_kill(area, first=number * 10**6)
        check(acknowledged)
        report = reconcile(now=datetime.now(UTC))
        assert report.missing == []
        assert all(body_for(int(o.meta)) for o in report.orphans)
        bury([orphan.path for orphan in report.orphans])
        assert not Segment.objects.filter(sealed_at=None).exists()
    assert len(acknowledged) >= ROUNDS * LEAST
    sweep(now=datetime.now(UTC) + timedelta(days=1))
    check(acknowledged)


def run_and_kill(area, *, first):
    """What the writer acknowledged before it died."""
    root = Path(__file__).parents[2]
    writer = subprocess.Popen(
        [
            sys.executable,
            Path(__file__).with_name("crash_writer.py"),
            settings.MAILHOST_DATA,
            connection.settings_dict["NAME"],
            area.name,
            str(first),
        ],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(root), "DJANGO_SETTINGS_MODULE": "mailhost.settings"},
    )
    lines = [writer.stdout.readline() for _ in range(LEAST)]
    time.sleep(random.uniform(0, 0.4))
    writer.send_signal(signal.SIGKILL)
    lines += writer.stdout.readlines()
    writer.stdout.close()
    writer.wait(20)
    whole = b"".join(lines).decode().rpartition("\n")[0]
    return {int(blob_id): int(seed) for blob_id, seed in map(str.split, whole.splitlines())}


def check(acknowledged):
    locations = locate(Blob.objects.values_list("id", flat=True))
    assert acknowledged.keys() <= locations.keys()
    for blob_id, location in locations.items():
        seed = int(read_meta(location))
        assert acknowledged.get(blob_id, seed) == seed
        assert read_body(location) == body_for(seed)
    for segment in Segment.objects.all():
        assert segment.live_bytes == sum(segment.blobs.values_list("length", flat=True))
