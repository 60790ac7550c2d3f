"""Commits that wait for the disk, and those that are brought there soon after."""

import threading
from typing import ClassVar

import pytest
from django.db import connection

from blobs import durability
from blobs.committer import Committer, Job

pytestmark = pytest.mark.django_db(transaction=True)


class Waiting(Job):
    @staticmethod
    def write_rows(jobs, cursor):
        cursor.execute(
            "PRAGMA synchronous" if connection.vendor == "sqlite" else "SHOW synchronous_commit"
        )
        answer = cursor.fetchone()[0]
        for job in jobs:
            job.result = answer


class NotWaiting(Waiting):
    waits_for_disk: ClassVar[bool] = False


@pytest.fixture
def committer():
    made = Committer()
    yield made
    made.stop()


def test_only_jobs_that_ask_for_it_go_without_waiting(committer):
    full, lazy = (2, 1) if connection.vendor == "sqlite" else ("on", "off")
    assert committer.commit_now(Waiting()) == full
    assert committer.commit_now(NotWaiting()) == lazy
    assert committer.commit_now(Waiting()) == full


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL does this by itself")
def test_what_did_not_wait_is_synced_soon_after(committer, monkeypatch):
    synced = threading.Event()
    sync = durability.Durability.sync

    def watched(self, of):
        sync(self, of)
        synced.set()

    monkeypatch.setattr(durability.Durability, "sync", watched)
    committer.commit_now(Waiting())
    assert not synced.wait(2 * durability.LATEST_SECONDS)
    committer.commit_now(NotWaiting())
    assert synced.wait(10 * durability.LATEST_SECONDS)
