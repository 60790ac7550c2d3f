"""A mail process ends when it is told to, at whatever moment."""

import asyncio

import pytest

from listeners import bridge
from listeners.mail_process import MailProcess


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
