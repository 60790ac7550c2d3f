"""Nobody waits for somebody else's flood, and nobody for a server that hangs."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest

from spool import slots
from spool.claims import Rounds
from spool.destinations import FIRST_LIMIT
from spool.fairness import Turns
from spool.models import SpooledRecipient, State
from tests import factories
from tests.sinks import CLOSE, HANG, Sink
from tests.spool import outgoing
from tests.spool.claiming import claim
from tests.spool.outgoing import in_thread, running_manager, settled, submit, submit_async, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _domains(fresh_spool):
    factories.make_domain("one.example", "alice")
    factories.make_domain("two.example", "bert")


def look(rounds, **given):
    found = claim(owner=1, limit=20, rounds=rounds, **given).result.recipients
    return {one.address for one in found}


@pytest.mark.spec("S-002", "P-001")
def test_a_flood_of_one_domain_is_claimed_together_with_the_single_mail_of_another():
    for number in range(60):
        submit(f"flood{number}@far.test")
    submit("single@far.test", sender="bert@two.example")
    submit("nobody@far.test", sender="x@elsewhere.test")
    first = look(Rounds())
    assert {"single@far.test", "nobody@far.test"} < first
    assert len(first) == 20


def test_a_domain_with_too_much_in_hand_hides_nobody():
    for number in range(60):
        submit(f"flood{number}@far.test")
    submit("single@far.test", sender="bert@two.example")
    flood = SpooledRecipient.objects.get(address="flood0@far.test").ledger_domain_id
    rounds = Rounds()
    assert look(rounds, full_domains=frozenset({flood})) == {"single@far.test"}
    assert rounds.destination == ""  # the others are looked for one by one


def test_domains_are_looked_at_in_rotation_however_many_there_are(monkeypatch):
    monkeypatch.setattr("spool.claims.DOMAINS_IN_TURN", 1)
    for number in range(60):
        submit(f"flood{number}@far.test")
    submit("single@far.test", sender="bert@two.example")
    rounds = Rounds()
    claimed = look(rounds) | look(rounds)
    assert "single@far.test" in claimed


@pytest.mark.spec("P-001")
def test_more_urgent_mail_leaves_before_a_fair_share_of_the_rest():
    for number in range(30):
        submit(f"low{number}@far.test", sender="bert@two.example")
    SpooledRecipient.objects.update(priority=3)
    for number in range(9):
        submit(f"high{number}@far.test")
    SpooledRecipient.objects.filter(address__startswith="high").update(priority=9)
    assert {f"high{number}@far.test" for number in range(9)} < look(Rounds())


def test_turns_alternate_between_domains_and_a_newcomer_waits_for_nobody():
    turns = Turns()
    flood = [turns.give(_work(1)) for _ in range(5)]
    assert [turn[2] for turn in flood] == [0, 1, 2, 3, 4]
    turns.served(flood[2])
    newcomer = turns.give(_work(2))
    assert newcomer[2] == 2
    assert turns.give(_work(2)) == flood[3]
    assert turns.give(_work(3, priority=9)) < flood[0]


def _work(domain_id, priority=5):
    one = SimpleNamespace(is_forced=False, priority=priority, ledger_domain_id=domain_id)
    return SimpleNamespace(recipients=[one])


@pytest.mark.spec("S-002")
async def test_a_single_message_overtakes_the_flood_in_hand(far_dns):
    """All to one slow server: the flood has every session, and hundreds in hand."""
    async with SlowSink(seconds=0.05) as sink:
        for number in range(300):
            await submit_async(f"flood{number}@far.test")
        async with running_manager(far_dns, port=sink.port):
            await until(lambda: len(sink.taken) > 10)
            spool_id = await submit_async("single@far.test", sender="bert@two.example")
            before = len(sink.taken)
            assert await settled(spool_id) == {"single@far.test": "RELAYED"}
            assert len(sink.taken) - before < 60


class SlowSink(Sink):
    def __init__(self, *, seconds, **given):
        super().__init__(**given)
        self.seconds = seconds

    async def _say(self, writer, answer):
        await asyncio.sleep(self.seconds)
        await super()._say(writer, answer)


@pytest.mark.spec("S-002", "S-003")
async def test_more_hanging_servers_than_slots_hold_up_nobody(far_dns, monkeypatch):
    monkeypatch.setattr(slots, "HANGING_SECONDS", 0.5)
    monkeypatch.setattr(slots, "LOOK_SECONDS", 0.1)
    for number in range(70):
        far_dns.records[f"hung{number}.test", "A"] = ["127.0.0.2"]
        far_dns.records[f"good{number}.test", "A"] = ["127.0.0.1"]
    async with contextlib.AsyncExitStack() as stack:
        hung = await stack.enter_async_context(Sink(greeting=HANG, host="127.0.0.2"))
        sink = await stack.enter_async_context(Sink(port=hung.port))
        for number in range(70):
            for name in ("a", "b", "c"):
                await submit_async(f"{name}@hung{number}.test")
        ids = [await submit_async(f"bob@good{number}.test") for number in range(70)]
        manager = await stack.enter_async_context(running_manager(far_dns, port=sink.port))
        for spool_id in ids:
            assert set((await settled(spool_id)).values()) == {"RELAYED"}
        await until(lambda: manager.busy == 0)
        assert hung.sessions >= 70
        # What waits behind a server that hangs is nobody's try, and takes nobody's place.
        waiting = SpooledRecipient.objects.filter(address__contains="hung", claimed_by=None)
        await until(lambda: waiting.count() >= 70)
        assert await in_thread(lambda: set(waiting.values_list("attempts", flat=True)))() == {0}


@pytest.mark.spec("S-047")
async def test_a_server_that_hangs_is_given_up_and_remembered(far_dns, monkeypatch):
    monkeypatch.setattr("protocols.smtp.client.TIMEOUT_SECONDS", _Patience(0.3))
    async with Sink(answers={"MAIL": HANG}) as sink, running_manager(far_dns, port=sink.port):
        first = await submit_async("a@far.test")
        assert await settled(first) == {"a@far.test": "RETRYING"}
        second = await submit_async("b@far.test")
        assert await settled(second) == {"b@far.test": "RETRYING"}
        assert sink.sessions == 1
    (attempt,) = await in_thread(outgoing.attempts)(second)
    assert attempt.reply == "421 4.4.2 No answer in time"


class _Patience(dict):
    def __init__(self, seconds):
        self.seconds = seconds

    def __getitem__(self, _stage):
        return self.seconds


BROKEN = [
    ({"MAIL": b"451 4.3.0 not now"}, "RETRYING", "451 4.3.0 not now"),
    ({"RCPT": b"450 4.2.1 greylisted"}, "RETRYING", "450 4.2.1 greylisted"),
    ({"RCPT": b"550 5.1.1 nobody"}, "BOUNCED", "550 5.1.1 nobody"),
    ({"DATA": b"554 5.7.1 never"}, "BOUNCED", "554 5.7.1 never"),
    ({".": b"452 4.3.1 full"}, "RETRYING", "452 4.3.1 full"),
    ({".": b"554 5.6.0 bad"}, "BOUNCED", "554 5.6.0 bad"),
    ({".": CLOSE}, "RETRYING", "421 4.4.2 Connection closed by the other side"),
    ({"MAIL": b"\xff\x00garbage"}, "RETRYING", "421 4.5.0 The other side does not speak SMTP"),
    ({"DATA": b"250 2.0.0 accepted without asking"}, "RETRYING", None),
    ({"RCPT": b"250 ok\r\n250 2.0.0 one more\r\n250 and more"}, "RETRYING", None),
    ({"EHLO": b"421 4.3.2 closing"}, "RETRYING", "421 4.3.2 closing"),
]  # fmt: skip


@pytest.mark.spec("S-054")
@pytest.mark.spec("S-040")
@pytest.mark.parametrize(("answers", "state", "reply"), BROKEN)
async def test_whatever_a_server_answers_each_recipient_has_its_end_and_the_words(
    far_dns, answers, state, reply
):
    async with Sink(answers=dict(answers)) as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("a@far.test", "b@far.test")
        await until(lambda: all(row.reply for row in _rows(spool_id)))
    rows = await in_thread(lambda: list(_rows(spool_id)))()
    if reply is not None:
        assert {row.reply for row in rows} == {reply}
        assert set(state_names(rows)) == {state}
    attempts = await in_thread(outgoing.attempts)(spool_id)
    assert all(attempt.reply for attempt in attempts)
    assert {attempt.host for attempt in attempts} == {"mx.far.test"}


def _rows(spool_id):
    return SpooledRecipient.objects.filter(message_id=spool_id)


def state_names(rows):
    return [State(row.state).name for row in rows]


@pytest.mark.spec("S-002")
async def test_sessions_become_more_with_success_and_fewer_when_the_server_asks(far_dns):
    async with SlowSink(seconds=0.01) as sink:
        ids = [await submit_async(f"r{number}@far.test") for number in range(120)]
        async with running_manager(far_dns, port=sink.port):
            for spool_id in ids:
                await until(lambda one=spool_id: outgoing.is_settled(one))
            assert FIRST_LIMIT < sink.sessions <= 10
    busy = Sink(answers={"MAIL": b"421 4.7.0 too many connections"})
    async with busy, running_manager(far_dns, port=busy.port) as manager:
        for number in range(12):
            await submit_async(f"s{number}@far.test")
        await until(lambda: busy.sessions > 0 and manager.busy == 0)
        (destination,) = manager._outbound._destinations.values() or [None]
        assert destination is None or destination.limit < FIRST_LIMIT
