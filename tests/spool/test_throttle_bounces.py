"""Reports that come in: counted by the hour, and by whether they are about mail really sent."""

import pytest

from accounts import services as account_services
from accounts.directory import login
from accounts.models import User
from clock.moments import to_micros
from events.models import Occurrence
from protocols.message.reports import Action
from spool import throttled
from spool.models import Kind, Origin, SpooledMessage, ThrottleHour
from spool.throttlebounces import is_failure_report
from tests import factories
from tests.spool import outgoing
from tests.spool.claiming import claim
from tests.spool.hourly import TEN_TO_THREE
from tests.spool.outgoing import submit
from tests.spool.reported import report_about

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]
LIMIT = {"bounces_received_per_hour": 3, "bounces_received_per_hour_enabled": True}


def receive(message_id="1@one.example", **given):
    report = report_about(message_id, to="alice@one.example", **given)
    return submit("alice@one.example", sender="", origin=Origin.SMTP, body=report)


def counted(kind="domain"):
    row = ThrottleHour.objects.filter(kind=kind).first()
    return (row.bounces, row.own_bounces) if row else (0, 0)


def may_leave():
    return [one.address for one in claim(now=to_micros(TEN_TO_THREE)).result.recipients]


@pytest.mark.spec("T-007", "T-008", "E-024")
def test_reports_about_mail_that_was_sent_pause_the_domains_own_sending():
    factories.make_domain("one.example", "alice", throttling=LIMIT)
    submit(*(f"r{n}@far.test" for n in range(4)))
    assert len(may_leave()) == 4
    for _ in range(3):
        receive()
    assert counted() == (3, 3)
    submit("next@far.test")
    assert may_leave() == []
    [shown] = throttled.throttled(TEN_TO_THREE)
    assert (shown.reason, shown.numbers) == ("bounces", "3 of 3 bounces this hour")
    assert Occurrence.objects.get().facts["reason"] == "bounces"
    throttled.release(kind="domain", key_id=shown.key_id, by=None, now=TEN_TO_THREE)
    assert may_leave() == ["next@far.test"]


@pytest.mark.spec("T-007")
def test_forged_reports_count_as_received_but_silence_nobody():
    factories.make_domain("one.example", "alice", throttling=LIMIT)
    submit("bob@far.test")
    assert may_leave() == ["bob@far.test"]
    for number in range(3):
        receive(f"made-up-{number}@one.example")
    for _ in range(3):
        receive()  # one recipient there was, so one of these is believed
    assert counted() == (6, 1)
    submit("next@far.test")
    assert may_leave() == ["next@far.test"]


@pytest.mark.spec("T-008")
def test_without_a_limit_nothing_is_counted():
    factories.make_domain("one.example", "alice", throttling={"bounces_received_per_hour": 1})
    receive()
    receive()
    assert not ThrottleHour.objects.exists()


@pytest.mark.spec("T-007")
@pytest.mark.parametrize("action", [Action.DELAYED, Action.DELIVERED, Action.RELAYED])
def test_reports_of_delay_or_success_are_no_bounces(action):
    factories.make_domain("one.example", "alice", throttling=LIMIT)
    receive(action=action)
    assert counted() == (0, 0)


def test_other_mail_from_the_null_sender_and_reports_with_a_sender_are_no_bounces():
    factories.make_domain("one.example", "alice", throttling=LIMIT)
    submit("alice@one.example", sender="", origin=Origin.SMTP)
    report = report_about("1@one.example", to="alice@one.example")
    submit("alice@one.example", sender="x@far.test", origin=Origin.SMTP, body=report)
    assert counted() == (0, 0)
    assert not is_failure_report(b"")
    assert not is_failure_report(report.replace(b"delivery-status", b"something-else"))


@pytest.mark.spec("T-007")
def test_reports_made_here_count_for_the_domain_that_gets_them():
    factories.make_domain("one.example", "alice", throttling=LIMIT)
    submit("bob@far.test")
    report = report_about("1@one.example", to="alice@one.example")
    submit("alice@one.example", sender="", origin=Origin.SERVER, kind=Kind.BOUNCE, body=report)
    assert counted() == (1, 1)


@pytest.mark.spec("T-011", "T-007", "E-023")
def test_a_user_has_his_own_number_of_reports():
    factories.make_domain("one.example", "alice")
    alice = User.objects.get(local_part="alice")
    account_services.change_user(user=alice, values=LIMIT, by=None)
    outgoing.forget_everything()
    policy = login("alice@one.example", local_ip=None)
    submit(*(f"r{n}@far.test" for n in range(3)), submitter=policy)
    assert len(may_leave()) == 3
    for _ in range(3):
        receive()
    assert counted("user") == (3, 3)
    submit("mine@far.test", submitter=policy)
    submit("others@far.test")
    assert may_leave() == ["others@far.test"]
    assert Occurrence.objects.get().type == "E-023"
    assert SpooledMessage.objects.exclude(reports_received=None).count() == 1
