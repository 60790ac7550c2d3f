"""Servers that have not said a word yet: they hold up nobody, and are not asked twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from spool import patience, slots
from spool.configuration import SPOOL
from spool.patience import LONGEST_SECONDS, SHORTEST_SECONDS, Patience
from tests import factories
from tests.dns_server import DnsServer
from tests.sinks import HANG, Sink
from tests.spool import outgoing
from tests.spool.outgoing import in_thread, running_manager, settled, submit_async, until


@pytest.fixture
def _fresh(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    outgoing.forget_everything()
    factories.make_domain("one.example", "alice")
    # What is to happen must not depend on this.
    monkeypatch.setattr(slots, "HANGING_SECONDS", 600.0)
    monkeypatch.setattr(patience, "LONGEST_SECONDS", 0.3)
    yield
    outgoing.stop_committer()


def lead(dns: DnsServer, name: str, address: str) -> None:
    dns.records[name, "A"] = [address]


async def allow(deliveries: int) -> None:
    await in_thread(SPOOL.change)({"maximum_remote_deliveries": deliveries}, by=None)
    outgoing.forget_everything()


@pytest.mark.usefixtures("_fresh")
@pytest.mark.spec("S-002", "S-003")
async def test_who_has_not_said_a_word_holds_no_slot_and_gets_one_session(
    far_dns: DnsServer,
) -> None:
    await allow(2)
    async with contextlib.AsyncExitStack() as stack:
        hung = await stack.enter_async_context(Sink(greeting=HANG, host="127.0.0.2"))
        sink = await stack.enter_async_context(Sink(port=hung.port))
        for number in range(4):
            lead(far_dns, f"hung{number}.test", "127.0.0.2")
            for name in ("a", "b", "c"):
                await submit_async(f"{name}@hung{number}.test")
        lead(far_dns, "good.test", "127.0.0.1")
        manager = await stack.enter_async_context(running_manager(far_dns, port=sink.port))
        await until(lambda: hung.sessions == 4)
        spool_id = await submit_async("bob@good.test")
        assert await settled(spool_id) == {"bob@good.test": "RELAYED"}
        await until(lambda: manager._outbound.slots.hanging == 4 and manager.busy == 0)
        assert hung.sessions == 4
        assert manager._outbound.full_destinations(limit=100) == frozenset()


class LateSink(Sink):
    """Says its first word when it is told to; counts transactions at the same time."""

    def __init__(self, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]
        self.may_greet = asyncio.Event()
        self.under_way = self.most_under_way = 0

    async def _say(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        if answer == self.greeting:
            await self.may_greet.wait()
        await asyncio.sleep(0.01)
        await super()._say(writer, answer)

    def _scripted(self, command: str) -> bytes | None:
        if command.startswith("MAIL"):
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        elif command == ".":
            self.under_way -= 1
        return super()._scripted(command)


@pytest.mark.usefixtures("_fresh")
@pytest.mark.spec("S-003")
async def test_those_that_answer_late_go_on_as_soon_as_there_is_room(far_dns: DnsServer) -> None:
    await allow(2)
    async with LateSink() as sink:
        ids = []
        for number in range(8):
            lead(far_dns, f"late{number}.test", "127.0.0.1")
            ids.append(await submit_async(f"bob@late{number}.test"))
        async with running_manager(far_dns, port=sink.port) as manager:
            await until(lambda: sink.sessions == 8)
            sink.may_greet.set()
            for spool_id in ids:
                assert set((await settled(spool_id)).values()) == {"RELAYED"}
            assert sink.most_under_way == 2
            await until(lambda: manager.busy == 0)
            assert manager._outbound.slots.hanging == 0


@pytest.mark.usefixtures("_fresh")
@pytest.mark.spec("S-003", "M-017")
async def test_a_stop_waits_for_nobody_who_waits_for_a_slot(far_dns: DnsServer) -> None:
    await allow(1)
    async with LateSink(answers={"MAIL": HANG}) as sink:
        for number in range(3):
            lead(far_dns, f"late{number}.test", "127.0.0.1")
            await submit_async(f"bob@late{number}.test")
        async with running_manager(far_dns, port=sink.port) as manager:
            await until(lambda: sink.sessions == 3)
            sink.may_greet.set()
            await until(lambda: len(manager._outbound.slots._returning) == 2)
            await manager.pause(0.1)
            await until(lambda: manager.busy == 0)
            assert manager._outbound.slots.hanging == 0
            assert sink.most_under_way == 1


def test_patience_is_what_others_have_taken_and_bounded() -> None:
    one = Patience()
    assert one.seconds == LONGEST_SECONDS
    for _ in range(50):
        one.learn(0.01)
    assert one.seconds == SHORTEST_SECONDS
    for seconds in (0.4, 0.5) * 50:
        one.learn(seconds)
    assert 0.5 < one.seconds < LONGEST_SECONDS
    one.learn(20)
    assert one.seconds == LONGEST_SECONDS
