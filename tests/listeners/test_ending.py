"""A mail process ends when it is told to, at whatever moment."""

import asyncio
import threading

import pytest

from blobs.committer import Job, process_committer
from listeners import bridge
from listeners.mail_process import MailProcess
from operations import connections


@pytest.mark.parametrize("steps", range(5))
def test_what_follows_the_policies_ends_at_every_step_of_its_wait(steps, monkeypatch):
    """SIGTERM right after the start, when there is something to look at at once."""

    async def main():
        process = MailProcess(frozenset())
        process._policies_changed.set()
        following = asyncio.create_task(process._follow_policies())
        for _ in range(steps):
            await asyncio.sleep(0)
        following.cancel()
        done, _ = await asyncio.wait([following], timeout=2)
        return done == {following}

    async def ask(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(bridge, "ask_warm", ask)
    assert asyncio.run(main())


@pytest.mark.django_db(transaction=True)
def test_a_process_leaves_the_registry_when_all_that_names_it_is_written(monkeypatch, tmp_path):
    """What is in the committer's hands at the end, such as the states of its services."""
    order, has_left = [], threading.Event()

    class Last(Job):
        @staticmethod
        def write_rows(jobs, cursor):
            has_left.wait(0.5)
            order.append("written")

    def leave(**_):
        order.append("left")
        has_left.set()

    async def main():
        process = MailProcess(frozenset())
        await process.start()
        process_committer().submit(Last())
        await process.drain()

    monkeypatch.setattr(connections, "leave", leave)
    asyncio.run(main())
    assert order == ["written", "left"]
