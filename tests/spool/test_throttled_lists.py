"""Mailing lists with limits of an hour, which count for their domain as well (T-012)."""

from io import StringIO

import pytest
from django.core.management import call_command

from domains.models import DomainThrottling
from events.models import Occurrence
from mailinglists import services
from spool import telling, throttled, trace
from spool.management.commands import throttle
from spool.models import SpooledMessage, SpooledRecipient, State, ThrottleHour
from tests.memories import forget_everything
from tests.sinks import Sink
from tests.spool import listed
from tests.spool.hourly import TEN_TO_THREE, THREE, count, throttling, used
from tests.spool.listed import LIST
from tests.spool.outgoing import in_thread, running_manager, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


def limited(number, *, messages=5, mb=100, **domain):
    forget_everything()
    row = listed.make_list(
        *(f"r{n}@far.test" for n in range(number)), posting="anyone",
        throttle_enabled=True, throttle_messages=messages, throttle_mb=mb,
    )  # fmt: skip
    DomainThrottling.objects.filter(domain=row.domain).update(**throttling(**domain))
    forget_everything()
    return row


def list_hour(row):
    found = ThrottleHour.objects.filter(kind="list", key_id=row.pk).order_by("-hour").first()
    return (found.messages, found.sent_bytes) if found else (0, 0)


def held():
    return SpooledRecipient.objects.filter(state=State.THROTTLED).count()


def size_of_post():
    return SpooledMessage.objects.get(kind="list").size_bytes


@pytest.mark.spec("T-012")
async def test_a_list_over_its_limit_waits_for_the_next_hour_and_then_goes(far_dns, clock):
    row = await in_thread(limited)(8)
    async with Sink() as sink, running_manager(far_dns, port=sink.port) as manager:
        await in_thread(listed.post)()
        await until(lambda: count(State.RELAYED) == 5 and held() == 3)
        assert len(sink.taken) == 5
        (one,) = await in_thread(throttled.throttled)(TEN_TO_THREE)
        assert (one.kind, one.who, one.used, one.allowed, one.waiting) == ("list", LIST, 5, 5, 3)
        assert one.until == THREE
        assert (await in_thread(list_hour)(row))[0] == 5
        assert (await in_thread(used)(row.domain_id))[0] == 5  # for the domain, too
        clock.now = THREE
        manager._wake.set()
        await until(lambda: count(State.RELAYED) == 8)
    (event,) = await in_thread(lambda: list(Occurrence.objects.filter(type="E-024")))()
    assert event.facts["who"] == LIST


@pytest.mark.spec("T-012", "T-005")
async def test_megabytes_of_a_list_count_for_each_copy(far_dns, clock):
    row = await in_thread(limited)(3, messages=0, mb=1)
    body = listed.post_of(body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 8000)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await in_thread(listed.post)(body)
        await until(lambda: count(State.RELAYED) == 2 and held() == 1)
    assert (await in_thread(list_hour)(row))[1] == 2 * await in_thread(size_of_post)()


@pytest.mark.spec("T-012", "T-013")
async def test_a_released_list_goes_on_at_once_with_a_fresh_allowance(far_dns, clock):
    row = await in_thread(limited)(8)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await in_thread(listed.post)()
        await until(lambda: held() == 3)
        woken = await in_thread(throttled.release)(
            kind="list", key_id=row.pk, by=None, now=TEN_TO_THREE
        )
        assert woken == 3
        await until(lambda: count(State.RELAYED) == 8)


@pytest.mark.spec("T-012")
async def test_the_domains_limit_holds_a_list_that_has_room_of_its_own(far_dns, clock):
    await in_thread(limited)(8, messages=100)
    await in_thread(lambda: DomainThrottling.objects.update(**throttling(messages=2)))()
    await in_thread(forget_everything)()
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await in_thread(listed.post)()
        await until(lambda: count(State.RELAYED) == 2 and held() == 6)
        (one,) = await in_thread(throttled.throttled)(TEN_TO_THREE)
        assert (one.kind, one.who) == ("domain", "one.example")
        assert spool_id


@pytest.mark.spec("T-012")
async def test_a_raised_limit_lets_what_waits_go_within_seconds(far_dns, clock):
    row = await in_thread(limited)(8)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await in_thread(listed.post)()
        await until(lambda: held() == 3)
        values = {"throttle_messages": 7}
        await in_thread(services.change_list)(mailing_list=row, values=values, by=None)
        await in_thread(forget_everything)()
        assert await in_thread(throttled.reopen)(TEN_TO_THREE) == 2
        await until(lambda: count(State.RELAYED) == 7)


@pytest.mark.spec("T-012")
async def test_the_trace_of_a_copy_says_which_list_has_reached_what(far_dns, clock):
    await in_thread(limited)(8)

    def story():
        message = SpooledMessage.objects.get(kind="list")
        return telling.tell(trace.trace(message), now=TEN_TO_THREE)

    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await in_thread(listed.post)()
        await until(lambda: held() == 3)
        told = await in_thread(story)()
    assert f"{LIST} is limited: 5 of 5 messages this hour" in told


@pytest.mark.spec("T-012", "T-013")
async def test_a_list_is_released_by_command(far_dns, clock):
    def release():
        said = StringIO()
        call_command(throttle.Command(), "release", LIST, stdout=said)
        return said.getvalue()

    await in_thread(limited)(7)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await in_thread(listed.post)()
        await until(lambda: held() == 2)
        assert "2 recipients may go on" in await in_thread(release)()
        await until(lambda: count(State.RELAYED) == 7)
