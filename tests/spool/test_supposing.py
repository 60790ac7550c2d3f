"""What would be with another limit or another gateway: nothing of it is saved (S-068)."""

from datetime import timedelta

import pytest
from django.core.management import call_command

from accounts import directory as account_directory
from clock.moments import to_micros, utc_now
from domains import services as domain_services
from domains.errors import DomainUnknown, ValuesRefused
from events.models import AuditEntry
from mailinglists import membership
from mailinglists import services as lists
from mailinglists.membership import NewSubscriber
from spool import gateways, statistics, supposing, throttle, throttlepolicy
from spool.models import (
    FlowRate,
    Gateway,
    Origin,
    QueueGroup,
    SpooledMessage,
    SpooledRecipient,
    State,
    ThrottleHour,
)
from spool.throttlepolicy import PayerUnknown
from tests.spool import outgoing
from tests.spool.outgoing import submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_spool")]

ON_THE_HOUR = utc_now().replace(minute=0, second=0, microsecond=0)


def asked(name, messages_per_hour, now=ON_THE_HOUR):
    outgoing.forget_everything()
    payer = throttlepolicy.payer_by_name(name)
    return supposing.with_limit(payer=payer, messages_per_hour=messages_per_hour, now=now)


def limit_the_domain(domain, number):
    domain_services.change_tab(
        domain=domain, tab="throttling", by=None,
        values={
            "outgoing_messages_per_hour": number, "outgoing_messages_per_hour_enabled": True
        },
    )  # fmt: skip


@pytest.mark.spec("S-068", "T-003")
def test_what_waits_of_a_domain_leaves_hour_by_hour(one):
    QueueGroup.objects.create(
        destination="far.test", domain_id=one.pk, priority=5, recipients=510, held=10,
        measured_at=ON_THE_HOUR,
    )  # fmt: skip
    QueueGroup.objects.create(
        destination="", domain_id=one.pk, priority=5, recipients=7, measured_at=ON_THE_HOUR
    )
    found = asked("one.example", 100)
    assert (found.who, found.waiting) == ("one.example", 500)
    hours = timedelta(hours=1)
    assert ON_THE_HOUR + 4 * hours < found.supposed.empty_at < ON_THE_HOUR + 5 * hours
    assert found.as_it_is.empty_at < ON_THE_HOUR + hours
    assert found.whole_spool.empty_at == found.supposed.empty_at
    limit_the_domain(one, 100)
    # 60 of them have left already in this hour.
    ThrottleHour.objects.create(
        kind="domain", key_id=one.pk, hour=throttle.hour_of(to_micros(ON_THE_HOUR)), messages=70,
        messages_before=10,
    )  # fmt: skip
    found = asked("one.example", 0)
    assert ON_THE_HOUR + 5 * hours < found.as_it_is.empty_at < ON_THE_HOUR + 6 * hours
    assert found.supposed.empty_at < ON_THE_HOUR + hours
    # What is used of the hour is the same everywhere: a release is counted for all forecasts.
    assert statistics.forecast(now=ON_THE_HOUR).empty_at == found.as_it_is.empty_at


@pytest.mark.spec("S-068")
def test_a_higher_limit_helps_nobody_whose_destination_is_silent(one):
    submitter = account_directory.login("alice@one.example", local_ip=None)
    submit("r@far.test", origin=Origin.SUBMISSION, submitter=submitter)
    QueueGroup.objects.create(
        destination="far.test", domain_id=one.pk, priority=5, recipients=1, measured_at=ON_THE_HOUR
    )
    FlowRate.objects.create(
        kind="destination", name="far.test", ended=0, deferred=9, try_seconds=0.5,
        measured_seconds=600,
    )  # fmt: skip
    for name in ("one.example", "alice@one.example"):
        found = asked(name, 100)
        assert (found.waiting, found.as_it_is.empty_at, found.supposed.empty_at) == (1, None, None)
        assert found.supposed.words.endswith("not empty within 30 days: far.test.")


@pytest.mark.spec("S-068", "T-003")
def test_the_pace_under_a_limit_is_not_the_pace_without_it(one):
    QueueGroup.objects.create(
        destination="far.test", domain_id=one.pk, priority=5, recipients=600,
        measured_at=ON_THE_HOUR,
    )  # fmt: skip
    limit_the_domain(one, 6)
    # What the limit let through in ten minutes; each try took half a second.
    FlowRate.objects.create(
        kind="destination", name="far.test", ended=1, try_seconds=0.5, measured_seconds=600
    )
    found = asked("one.example", 0)
    assert found.as_it_is.empty_at > ON_THE_HOUR + timedelta(hours=90)
    assert found.supposed.empty_at < ON_THE_HOUR + timedelta(hours=1)


@pytest.mark.spec("S-068", "T-011")
def test_what_waits_of_a_user_is_his_own_mail_and_the_domain_s_limit_stays(one):
    submitter = account_directory.login("alice@one.example", local_ip=None)
    for number in range(6):
        submit(f"r{number}@far.test", origin=Origin.SUBMISSION, submitter=submitter)
    submit("held@far.test", origin=Origin.SUBMISSION, submitter=submitter)
    SpooledRecipient.objects.filter(address="held@far.test").update(state=State.HELD, due_at=None)
    submit("somebody@far.test")
    hours = timedelta(hours=1)
    found = asked("alice@one.example", 2)
    assert (found.who, found.waiting, found.whole_spool) == ("alice@one.example", 6, None)
    assert ON_THE_HOUR + 2 * hours <= found.supposed.empty_at < ON_THE_HOUR + 3 * hours
    assert found.as_it_is.empty_at < ON_THE_HOUR + hours
    limit_the_domain(one, 1)
    found = asked("alice@one.example", 2)
    assert ON_THE_HOUR + 5 * hours <= found.supposed.empty_at < ON_THE_HOUR + 6 * hours


@pytest.mark.spec("S-068", "T-012")
def test_what_waits_of_a_list_are_its_copies(one, capsys):
    row = lists.create_list(domain=one, local_part="news", values={}, by=None)
    member = NewSubscriber("a@far.test")
    membership.add_subscribers(mailing_list=row, rows=[member], by=None)
    for number in range(4):
        submit(f"r{number}@far.test")
    SpooledMessage.objects.filter(recipients__address__in=["r0@far.test", "r1@far.test"]).update(
        list_id=row.pk
    )
    found = asked("news@one.example", 1)
    assert (found.who, found.waiting) == ("news@one.example", 2)
    assert found.supposed.empty_at >= ON_THE_HOUR + timedelta(hours=1) > found.as_it_is.empty_at
    call_command("throttle", "forecast", "news@one.example", "--messages-per-hour", "1")
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "news@one.example: 2 recipients wait"
    assert told[1].startswith("as it is: At this rate empty at ")
    assert told[2].startswith("with 1 messages an hour: At this rate empty at ")


@pytest.mark.parametrize("name", ["nowhere.example", "nobody@one.example", "@", "no such\n", ""])
def test_somebody_unknown_is_told_of(one, name):
    with pytest.raises(PayerUnknown, match="there is no"):
        throttlepolicy.payer_by_name(name)


@pytest.mark.spec("S-068", "G-006")
def test_a_gateway_is_tried_in_thought_and_nothing_is_saved(one):
    now = utc_now()
    QueueGroup.objects.create(
        destination="far.test", domain_id=one.pk, priority=5, recipients=600, measured_at=now
    )
    for host, ended in (("mx.slow.test", 60), ("mx.fast.test", 6000)):
        FlowRate.objects.create(
            kind="host", name=host, ended=ended, try_seconds=0.5, measured_seconds=600
        )
    slow = gateways.add(values={"name": "slow", "host": "mx.slow.test"}, by=None)
    outgoing.forget_everything()
    entries = AuditEntry.objects.count()

    def supposed(row, values, **scope):
        found = supposing.with_gateway(gateway=row, values=values, now=now, **scope)
        assert found.as_it_is.empty_at == now + timedelta(seconds=6000)
        return found.supposed.empty_at

    assert supposed(slow, {"host": "mx.fast.test"}) == now + timedelta(seconds=60)
    direct = supposed(slow, {"is_enabled": False})
    assert direct is not None and direct != now + timedelta(seconds=6000)
    # A narrower one beside it takes what goes there.
    new = {"name": "fast", "host": "mx.fast.test"}
    assert supposed(None, new, destinations=["far.test"]) == now + timedelta(seconds=60)
    assert supposed(None, new, destinations=["else.test"]) == now + timedelta(seconds=6000)
    slow.refresh_from_db()
    assert (slow.host, slow.is_enabled, Gateway.objects.count()) == ("mx.slow.test", True, 1)
    assert AuditEntry.objects.count() == entries
    with pytest.raises(ValuesRefused):
        supposed(None, {"name": "slow", "host": "mx.fast.test"})
    with pytest.raises(DomainUnknown):
        supposed(None, new, sending_domains=["nowhere.example"])
