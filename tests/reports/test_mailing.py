"""Reports by mail: when they are due, to whom, and never twice (R-020)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from django.core.mail import EmailMultiAlternatives

from accounts.errors import FeatureOff, NotPermitted
from accounts.models import LastActivity, Status, User
from administration import undo
from blobs import committer
from blobs.errors import StoreFailed
from blobs.store import locate, read_body
from clock.moments import utc_now
from domains import directory
from domains.errors import ChangedMeanwhile, DomainUnknown, ValuesRefused
from domains.models import Domain, DomainFeatures, DomainPriority
from events.models import AuditEntry
from reports import mailing, rhythm, schedules
from reports.models import DayCounts, Kind, Rhythm, Run, Schedule
from reports.series import EPOCH, Days
from spool.models import Kind as MailKind
from spool.models import SpooledMessage, SpooledRecipient
from tests.people import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

MONDAY = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
FAR = "boss@far.test"


@pytest.fixture(autouse=True)
def _real_backend(settings):
    settings.EMAIL_BACKEND = "spool.backend.SpoolBackend"
    settings.MAILHOST_HOSTNAME = "mx.own.example"
    settings.DEFAULT_FROM_EMAIL = "MailHost <noreply@mx.own.example>"
    yield
    committer.stop_process_committer()


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def scheduled(by: User, *, kind=Kind.DOMAIN_TRAFFIC, to=(FAR,), now=MONDAY, **given) -> Schedule:
    where = {name: given.pop(name) for name in ("domain", "address") if name in given}
    values = {"rhythm": Rhythm.WEEKLY.value, **given}
    return schedules.add(kind=kind, values=values, addresses=to, by=by, now=now, **where)


def run_at(now: datetime) -> int:
    mailing.open_due(now=now)
    return mailing.send_pending(now=now)


def mail() -> EmailMessage:
    blob = SpooledMessage.objects.order_by("-id")[0].blob_id
    return message_from_bytes(read_body(locate([blob])[blob]), policy=policy.default)


@pytest.mark.parametrize(
    ("kind", "moment", "expected", "days"),
    [
        (Rhythm.DAILY, MONDAY, MONDAY.replace(hour=6), ("2026-11-22", "2026-11-22")),
        (Rhythm.DAILY, MONDAY.replace(hour=6), datetime(2026, 11, 24, 6, tzinfo=UTC),
         ("2026-11-23", "2026-11-23")),
        (Rhythm.WEEKLY, MONDAY, MONDAY.replace(hour=6), ("2026-11-16", "2026-11-22")),
        (Rhythm.WEEKLY, MONDAY.replace(hour=7), datetime(2026, 11, 30, 6, tzinfo=UTC),
         ("2026-11-23", "2026-11-29")),
        (Rhythm.MONTHLY, MONDAY, datetime(2026, 12, 1, 6, tzinfo=UTC),
         ("2026-11-01", "2026-11-30")),
    ],
)  # fmt: skip
def test_a_report_is_due_behind_the_days_it_is_about(kind, moment, expected, days) -> None:
    due = rhythm.next_after(kind, 6, moment)
    assert due == expected
    about = rhythm.days_of(kind, due, days=30)
    assert (str(about.first), str(about.last)) == days


def test_once_is_now_about_the_last_days() -> None:
    assert rhythm.next_after(Rhythm.ONCE, 6, MONDAY) is None
    today = MONDAY.date()
    about = rhythm.days_of(Rhythm.ONCE, MONDAY, days=7)
    assert about == Days(today - timedelta(days=6), today)


@pytest.mark.spec("R-020", "P-021")
def test_a_due_report_goes_through_the_spool_with_table_and_file(world: World) -> None:
    DomainPriority.objects.filter(domain=world.own).update(
        email_reports=2, email_reports_enabled=True
    )
    directory.clear()
    row = scheduled(world.admin)
    assert run_at(MONDAY) == 0
    assert run_at(MONDAY + timedelta(hours=1)) == 1
    spooled = SpooledMessage.objects.get()
    assert (spooled.kind, spooled.domain_id) == (MailKind.REPORT, world.own.pk)
    assert SpooledRecipient.objects.get().priority == 2
    message = mail()
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"] == "Traffic of own.example, 2026-11-16 to 2026-11-22"
    html = message.get_body(("html",)).get_content()
    assert "<table" in html and "2026-11-22" in html
    assert "2026-11-22 | 0" in message.get_body(("plain",)).get_content()
    (file,) = message.iter_attachments()
    assert file.get_filename() == "domain-traffic-own.example-2026-11-16-2026-11-22.csv"
    assert len(list(csv.reader(io.StringIO(file.get_content())))) == 8
    row.refresh_from_db()
    assert row.next_at == datetime(2026, 11, 30, 6, tzinfo=UTC)
    assert Run.objects.get().state == Run.State.SENT
    assert run_at(MONDAY + timedelta(hours=2)) == 0


def test_what_was_missed_is_sent_once(world: World) -> None:
    scheduled(world.admin, rhythm=Rhythm.DAILY.value)
    run_at(MONDAY + timedelta(days=20))
    assert SpooledMessage.objects.count() == 1


@pytest.mark.spec("R-020")
def test_a_crash_neither_loses_nor_doubles_a_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled(world.admin, to=(FAR, "two@far.test", "three@far.test"))
    due = utc_now()
    Schedule.objects.update(next_at=due)
    send, count = EmailMultiAlternatives.send, []

    class Died(BaseException):
        pass

    def send_and_die(message, *args, **kwargs):
        send(message)
        count.append(message.to)
        if len(count) == 2:
            raise Died

    monkeypatch.setattr(EmailMultiAlternatives, "send", send_and_die)
    with pytest.raises(Died):
        run_at(due)
    assert run_at(due + timedelta(minutes=1)) == 0, "its claim has not yet lapsed"
    assert run_at(due + timedelta(minutes=11)) == 1
    recipients = SpooledRecipient.objects.values_list("address", flat=True)
    assert sorted(recipients) == [FAR, "three@far.test", "two@far.test"]
    assert Run.objects.get().state == Run.State.SENT


def test_a_spool_that_takes_nothing_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled(world.admin)
    due = MONDAY + timedelta(hours=1)

    def refuse(*_: object) -> None:
        raise StoreFailed("no room")

    with monkeypatch.context() as patched:
        patched.setattr(EmailMultiAlternatives, "send", refuse)
        assert run_at(due) == 0
        assert Run.objects.get().state == Run.State.PENDING
    assert run_at(due + timedelta(minutes=1)) == 1
    assert SpooledMessage.objects.count() == 1


def test_addresses_that_are_refused_are_named(world: World) -> None:
    scheduled(world.admin, to=("nobody@own.example", "alice@own.example"))
    run_at(MONDAY + timedelta(hours=1))
    run = Run.objects.get()
    assert run.state == Run.State.SENT and "nobody@own.example" in run.note
    assert SpooledRecipient.objects.get().address == "alice@own.example"


@pytest.mark.spec("R-020", "D-068")
def test_disabled_domains_and_switched_off_features_are_skipped(world: World) -> None:
    scheduled(world.reseller, domain="own.example", rhythm=Rhythm.DAILY.value)
    domains = Domain.objects.filter(pk=world.own.pk)
    features = DomainFeatures.objects.filter(domain=world.own)
    owner = User.objects.filter(pk=world.reseller.pk)
    day = MONDAY + timedelta(hours=1)
    for rows, off, on, words in (
        (domains, {"is_disabled": True}, {"is_disabled": False}, "disabled"),
        (features, {"email_reports": False}, {"email_reports": True}, "switched off"),
        (owner, {"status": Status.DISABLED}, {"status": Status.ENABLED}, "may not see it"),
    ):
        rows.update(**off)
        run_at(day)
        run = Run.objects.latest("pk")
        assert run.state == Run.State.SKIPPED and words in run.note
        rows.update(**on)
        day += timedelta(days=1)
    assert not SpooledMessage.objects.exists()
    run_at(day)
    assert SpooledMessage.objects.count() == 1, "a pause, not an end"


@pytest.mark.spec("M-036")
def test_inactive_users_are_reported_to_system_and_domain_administrators(world: World) -> None:
    now = utc_now()
    for user in (world.user, world.other_admin):
        LastActivity.objects.create(user=user, at=now - timedelta(days=100), service="imap")
    scheduled(world.root, kind=Kind.SYSTEM_INACTIVE, to=("admin@own.example",))
    scheduled(world.admin, kind=Kind.DOMAIN_INACTIVE, rhythm=Rhythm.MONTHLY.value, inactive="90d")
    Schedule.objects.update(next_at=now)
    assert run_at(now) == 2
    assert Schedule.objects.filter(next_at__gt=now).count() == 2
    own = mail().get_body(("plain",)).get_content()
    assert "alice@own.example" in own and own.count("@") == 1


def test_who_may_have_what_mailed(world: World) -> None:
    with pytest.raises(NotPermitted):
        scheduled(world.admin, kind=Kind.SYSTEM_VOLUME)
    with pytest.raises(NotPermitted):
        scheduled(world.user)
    with pytest.raises(DomainUnknown):
        scheduled(world.reseller, domain="other.example")
    with pytest.raises(ValuesRefused):
        scheduled(world.user, kind=Kind.USER_ACTIVITY)
    mine = scheduled(world.user, kind=Kind.USER_ACTIVITY, to=("alice@own.example",))
    theirs = scheduled(world.other_admin)
    whole = scheduled(world.root, kind=Kind.SYSTEM_QUEUE)

    def seen(actor: User) -> list[Schedule]:
        return list(schedules.schedules_for(actor))

    assert seen(world.user) == seen(world.admin) == seen(world.reseller) == [mine]
    assert seen(world.root) == [whole, theirs, mine]
    DomainFeatures.objects.filter(domain=world.own).update(email_reports=False)
    with pytest.raises(FeatureOff):
        scheduled(world.admin)
    many = tuple(f"a{number}@b.test" for number in range(21))
    for wrong in (("x",), (), ("a@b.test\r\nBcc: x@y.test",), many):
        with pytest.raises(ValuesRefused):
            scheduled(world.root, kind=Kind.SYSTEM_QUEUE, to=wrong)


def test_every_change_is_on_record_and_can_be_undone(world: World) -> None:
    def last() -> list[AuditEntry]:
        return [AuditEntry.objects.filter(object_type="reports.schedule").latest("pk")]

    row = scheduled(world.admin)
    assert last()[0].verb == "added mailed report"
    schedules.change(schedule=row, values={"hour": 9}, addresses=("a@b.test",),
                     by=world.admin, now=MONDAY, expected_version=1)  # fmt: skip
    row.refresh_from_db()
    assert row.next_at == MONDAY.replace(hour=9) and row.addresses == ["a@b.test"]
    with pytest.raises(ChangedMeanwhile):
        schedules.change(
            schedule=row, values={"hour": 1}, by=world.admin, now=MONDAY, expected_version=1
        )
    undo.undo(last(), by=world.reseller)
    row.refresh_from_db()
    assert (row.hour, row.addresses) == (6, [FAR])
    schedules.delete(schedule=row, by=world.admin)
    undo.undo(last(), by=world.reseller)
    again = Schedule.objects.get()
    assert (again.owner, again.addresses, again.domain) == (world.admin, [FAR], world.own)
    undo.undo(last(), by=world.admin)
    assert not Schedule.objects.exists()


def test_a_report_that_was_sent_once_is_not_sent_again(world: World) -> None:
    row = scheduled(world.admin, rhythm=Rhythm.ONCE.value, days=3)
    run_at(MONDAY)
    assert run_at(MONDAY + timedelta(days=1)) == 0
    assert (Run.objects.get().first, Run.objects.get().last) == (
        MONDAY.date() - timedelta(days=2), MONDAY.date(),
    )  # fmt: skip
    schedules.change(schedule=row, values={"hour": 8}, by=world.admin, now=MONDAY)
    assert run_at(MONDAY + timedelta(days=2)) == 0
    schedules.send_now(schedule=row, by=world.admin, now=MONDAY + timedelta(days=3))
    assert run_at(MONDAY + timedelta(days=3)) == 1
    assert SpooledMessage.objects.count() == 2


def test_hostile_names_stay_words(world: World) -> None:
    User.objects.filter(pk=world.user.pk).update(local_part="=cmd<b>")
    day = (MONDAY.date() - EPOCH).days - 3
    DayCounts.objects.create(domain_id=world.own.pk, account_id=world.user.pk, day=day, sent=1)
    scheduled(world.admin, kind=Kind.DOMAIN_USERS)
    run_at(MONDAY + timedelta(hours=1))
    message = mail()
    assert "=cmd&lt;b&gt;@own.example" in message.get_body(("html",)).get_content()
    (file,) = message.iter_attachments()
    assert "'=cmd<b>@own.example" in file.get_content()
