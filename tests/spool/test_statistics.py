"""Size, age, rates, destinations and last errors; and what would be if it were set otherwise."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.services import create_system_administrator
from clock.moments import utc_now
from domains import services as domain_services
from operations.models import Process
from spool import holding, load, statistics
from spool.configuration import SPOOL
from spool.models import QueueGroup, SpooledRecipient, SpoolMinute, State
from spool.selection import Selection, SpoolFilter
from spool.statistics import Throttle
from tests.factories import PASSWORD
from tests.sinks import HANG, Sink
from tests.spool import outgoing
from tests.spool.outgoing import in_thread, running_manager, settled, submit, submit_async, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_spool")]


def after_a_minute():
    return utc_now() + timedelta(seconds=60)


@pytest.mark.spec("S-068")
async def test_the_numbers_of_a_spool_at_work(one, far_dns):
    answers = {"RCPT TO:<slow": b"450 4.2.1 later"}
    async with Sink(answers=answers) as sink, running_manager(far_dns, port=sink.port):
        for address in ("bob@far.test", "slow@far.test", "slow2@other.test"):
            await settled(await submit_async(address))
    await in_thread(submit)("alice@one.example")
    held = Selection.matching(SpoolFilter(destination="other.test"))
    await in_thread(holding.hold)(selection=held, reason="x", by=None, now=utc_now())
    now = after_a_minute()
    await in_thread(statistics.measure)(now=now)
    found = await in_thread(statistics.current)(now=now)
    assert (found.messages, found.recipients, found.held) == (2, 2, 1)
    assert timedelta(seconds=55) < found.oldest_age < timedelta(seconds=120)
    # Of this minute or the one before, when the test ran over its end.
    assert 0 < found.accepted_per_minute <= 4
    assert found.deferred_per_minute > 0
    queues = {one.name: (one.recipients, one.held) for one in found.destinations}
    assert queues == {"far.test": (1, 0), "other.test": (1, 1)}
    assert [error.reply for error in found.last_errors] == ["450 4.2.1 later"] * 2
    assert found.last_errors[0].host == "mx.other.test"
    assert found.forecast.waiting == 1


@pytest.mark.spec("S-068")
def test_a_page_of_numbers_scans_no_queue(one):
    for number in range(5):
        submit(f"r{number}@far.test")
    statistics.measure(now=after_a_minute())
    with CaptureQueriesContext(connection) as captured:
        statistics.current(now=after_a_minute())
    statements = " ".join(query["sql"] for query in captured)
    assert "spooledrecipient" not in statements and "spooledmessage" not in statements


@pytest.mark.spec("S-003")
async def test_how_busy_the_spool_is_of_how_much_it_may_be(one, far_dns, monkeypatch):
    monkeypatch.setattr(load, "WRITE_SECONDS", 0.05)
    await in_thread(SPOOL.change)({"maximum_remote_deliveries": 7}, by=None)
    async with Sink(answers={".": HANG}) as sink:
        async with running_manager(far_dns, port=sink.port):
            await submit_async("bob@far.test")
            await until(lambda: load.current(now=utc_now()) and busy() == (1, 7))
        assert await in_thread(load.current)(now=utc_now()) is None, "a process that has ended"


def busy():
    found = load.current(now=utc_now())
    return found.remote, found.remote_maximum


@pytest.mark.spec("S-003")
def test_the_pages_of_the_spool_and_of_the_services_show_how_busy_it_is(client):
    root = create_system_administrator("root", PASSWORD)[0]
    client.force_login(root)
    for number in (1, 2):
        load.write(process_id=number, load=load.Load(3, 50, 1, 0, 10), now=utc_now())
    Process.objects.create(id=1, node=0, pid=1, started_at=utc_now(), seen_at=utc_now())
    for path in ("/panel/spool/", "/panel/spool/statistics/"):
        page = client.get(path).content.decode()
        assert "6 of 100 to other servers (2 more wait for an answer), 0 of 20" in page
    assert "6 of 100" in client.get("/panel/services/").content.decode()


@pytest.mark.spec("M-090")
def test_a_scrape_reads_what_was_counted_last_and_scans_no_queue(one, client):
    for number in range(5):
        submit(f"r{number}@far.test")
    rows = SpooledRecipient.objects.order_by("pk")
    for state, place in ((State.THROTTLED, 0), (State.HELD, 1), (State.RETRYING, 2)):
        SpooledRecipient.objects.filter(pk=rows[place].pk).update(state=state)
    statistics.measure(now=after_a_minute())
    with CaptureQueriesContext(connection) as captured:
        told = client.get("/metrics").content.decode()
    assert "spool_spooledrecipient" not in " ".join(query["sql"] for query in captured)
    for state, number in (
        ("queued", 2), ("retrying", 1), ("throttled", 1), ("held", 1), ("quarantined", 0)
    ):  # fmt: skip
        assert f'mailhost_queue_recipients{{state="{state}"}} {number}.0' in told


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_a_scrape_tells_quarantine_from_what_waits(one, client):
    old, young = submit("a@far.test"), submit("b@far.test")
    holding.quarantine(selection=Selection.of([old]), reason="spam", by=None, now=utc_now())
    statistics.measure(now=after_a_minute())
    told = client.get("/metrics").content.decode()
    for state, number in (("queued", 1), ("held", 0), ("quarantined", 1)):
        assert f'mailhost_queue_recipients{{state="{state}"}} {number}.0' in told
    holding.quarantine(selection=Selection.of([young]), reason="spam", by=None, now=utc_now())
    assert "mailhost_queue_oldest_seconds 0.0" in client.get("/metrics").content.decode()
    statistics.measure(now=after_a_minute() + timedelta(minutes=1))
    found = statistics.current(now=after_a_minute() + timedelta(minutes=1))
    assert (found.oldest_age, found.forecast.waiting) == (None, 0)


def test_only_minutes_of_a_week_are_kept(one):
    SpoolMinute.objects.create(minute=1)
    statistics.measure(now=utc_now())
    statistics.measure(now=utc_now())
    assert SpoolMinute.objects.count() == 1


def test_what_a_changed_throttle_would_do(one):
    now = utc_now().replace(minute=0, second=0, microsecond=0)
    group = QueueGroup(
        destination="far.test", domain_id=one.pk, priority=5, recipients=500, measured_at=now
    )
    group.save()
    unlimited = statistics.forecast(now=now).empty_at
    limited = statistics.forecast(now=now, throttles={one.pk: Throttle(100)})
    assert limited.flows[0].flow.name == "one.example"
    assert limited.empty_at > now + timedelta(hours=4) > unlimited
    domain_services.change_tab(
        domain=one, tab="throttling", by=None,
        values={"outgoing_messages_per_hour": 100, "outgoing_messages_per_hour_enabled": True},
    )  # fmt: skip
    outgoing.forget_everything()
    assert statistics.forecast(now=now).empty_at == limited.empty_at
    lifted = statistics.forecast(now=now, throttles={one.pk: Throttle(None)})
    assert lifted.empty_at == unlimited
