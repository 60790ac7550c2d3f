"""Reports: the right numbers for those who may see them, by every door."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.errors import FeatureOff, NotPermitted, UserUnknown
from accounts.inactivity import Period
from accounts.models import LastActivity, User
from clock.moments import utc_now
from domains.errors import DomainUnknown
from domains.models import DomainFeatures
from mailboxes.models import AccountUsage, DomainUsage, Folder
from reports import asking, csvtext, kinds, series
from reports.kinds import Scope
from reports.models import DayCounts, HourCounts, Kind
from reports.series import Days
from reports.tables import Column, Report, Unit
from tests.people import World, make_world

pytestmark = pytest.mark.django_db

TODAY = utc_now().date()
WEEK = Days(TODAY - timedelta(days=6), TODAY)


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def counted(domain_id: int, account_id: int, back: int = 0, **numbers: int) -> None:
    day = (TODAY - series.EPOCH).days - back
    DayCounts.objects.create(domain_id=domain_id, account_id=account_id, day=day, **numbers)


def made(actor: User, kind: Kind, **wanted: object) -> Report:
    given = {"days": WEEK, "now": utc_now(), **wanted}
    return asking.make_for(actor, kind, **given)


def column(report: Report, key: str) -> list[object]:
    place = [one.key for one in report.columns].index(key)
    return [row[place] for row in report.rows]


@pytest.mark.spec("R-010", lacks="spam and mailing lists")
def test_traffic_has_a_row_for_every_day_and_the_sum(world: World) -> None:
    counted(world.own.pk, 0, 0, received=3, sent=1)
    counted(world.own.pk, 0, 2, received=4)
    counted(world.own.pk, 0, 9, received=50)
    counted(world.other.pk, 0, 0, received=90)
    report = made(world.admin, Kind.DOMAIN_TRAFFIC)
    assert column(report, "received") == [0, 0, 0, 0, 4, 0, 3]
    assert report.totals()[1] == 7
    today = Days(TODAY, TODAY)
    hour = (TODAY - series.EPOCH).days * 24 + 5
    HourCounts.objects.create(domain_id=world.own.pk, account_id=0, hour=hour, received=3)
    report = made(world.reseller, Kind.DOMAIN_TRAFFIC, days=today, domain="own.example")
    assert report.is_by_hour and column(report, "received")[5] == 3 and len(report.rows) == 24


@pytest.mark.spec("R-010", lacks="spam and mailing lists")
def test_the_busiest_users_and_those_at_their_limits_come_first(world: World) -> None:
    key = world.own.pk
    counted(key, world.user.pk, 0, received=5, throttled=2)
    counted(key, world.user.pk, 1, received=5)
    counted(key, world.admin.pk, 0, sent=3)
    counted(key, 10**9, 0, received=1)
    counted(key, 0, 0, received=11, throttled=3)
    report = made(world.admin, Kind.DOMAIN_USERS)
    assert column(report, "user") == ["alice@own.example", "admin@own.example", "a deleted user"]
    report = made(world.admin, Kind.DOMAIN_THROTTLING)
    assert report.rows == [("The domain as a whole", 1), ("alice@own.example", 2)]


@pytest.mark.spec("R-010", lacks="spam and mailing lists")
def test_disk_space_over_time_and_by_domain(world: World) -> None:
    counted(world.own.pk, 0, 8, disk_bytes=100)
    counted(world.own.pk, 0, 1, disk_bytes=300)
    report = made(world.admin, Kind.DOMAIN_DISK)
    assert column(report, "disk_bytes") == [100, 100, 100, 100, 100, 300, 300]
    DomainUsage.objects.update_or_create(domain=world.other, defaults={"bytes": 5000})
    report = made(world.root, Kind.SYSTEM_DISK)
    assert [row[:2] for row in report.rows] == [("other.example", 5000), ("own.example", 0)]


@pytest.mark.spec("R-021")
def test_the_server_has_reports_of_volume_queue_disk_and_blocks_for_its_administrators(
    world: World,
) -> None:
    counted(0, 0, 0, received=9, connections=4, blocks=2, waiting=77)
    assert column(made(world.root, Kind.SYSTEM_VOLUME), "received")[-1] == 9
    assert column(made(world.root, Kind.SYSTEM_QUEUE), "waiting")[-1] == 77
    assert column(made(world.root, Kind.SYSTEM_BLOCKS), "blocks")[-1] == 2
    assert len(made(world.root, Kind.SYSTEM_DISK).rows) == 2
    for actor in (world.reseller, world.admin, world.user):
        for kind in kinds.of_scope(Scope.SYSTEM):
            with pytest.raises(NotPermitted):
                made(actor, kind)


@pytest.mark.spec("R-010", lacks="spam and mailing lists")
def test_inactive_users_are_those_in_sight_the_longest_away_first(world: World) -> None:
    now = utc_now()
    User.objects.exclude(domain=None).update(created_at=now)
    for back, user in ((100, world.user), (200, world.admin), (40, world.other_admin)):
        at = now - timedelta(days=back)
        LastActivity.objects.create(user=user, at=at, service="imap")
    report = made(world.reseller, Kind.DOMAIN_INACTIVE, domain="own.example")
    assert column(report, "user") == ["admin@own.example", "alice@own.example"]
    report = made(world.root, Kind.SYSTEM_INACTIVE, inactive=Period.DAYS_30)
    assert column(report, "user")[-1] == "admin@other.example"


@pytest.mark.spec("R-015", lacks="spam")
def test_a_users_report_is_about_the_user_alone(world: World) -> None:
    counted(world.own.pk, world.user.pk, 0, received=2, logins=3)
    counted(world.own.pk, world.admin.pk, 0, received=70)
    report = made(world.user, Kind.USER_ACTIVITY)
    assert (column(report, "received")[-1], column(report, "logins")[-1]) == (2, 3)
    assert made(world.admin, Kind.USER_ACTIVITY, address="alice@own.example").rows == report.rows
    Folder.objects.create(account=world.user, name="INBOX", uidvalidity=1, messages=2, bytes=9,
                          created_at=utc_now())  # fmt: skip
    AccountUsage.objects.update_or_create(account=world.user, defaults={"bytes": 9})
    assert made(world.user, Kind.USER_FOLDERS).rows == [("INBOX", 9, 2, 0)]
    for actor in (world.user, world.other_admin, world.other_reseller):
        with pytest.raises(UserUnknown):
            made(actor, Kind.USER_ACTIVITY, address="admin@own.example")


def test_what_is_switched_off_is_withheld_from_the_domains_own_people(world: World) -> None:
    DomainFeatures.objects.filter(domain=world.own).update(domain_reports=False, user_reports=False)
    for actor, kind in (
        (world.admin, Kind.DOMAIN_TRAFFIC),
        (world.user, Kind.USER_ACTIVITY),
        (world.admin, Kind.USER_FOLDERS),
    ):
        with pytest.raises(FeatureOff):
            made(actor, kind)
    assert made(world.reseller, Kind.DOMAIN_TRAFFIC, domain="own.example").rows
    assert made(world.root, Kind.USER_ACTIVITY, address="alice@own.example").rows
    with pytest.raises(DomainUnknown):
        made(world.other_admin, Kind.DOMAIN_TRAFFIC, domain="own.example")


def test_no_cell_of_a_file_is_a_formula() -> None:
    rows = [("=1+1", 5), ("@x", -5), (" +1", 0), ("plain", 1), (None, 2)]
    columns = (Column("a", "A", Unit.TEXT), Column("b", "B", Unit.BYTES))
    report = Report("kind", "Title", "x@y.example", WEEK, columns, rows, has_days=False)
    text = "".join(csvtext.lines(*report.for_file())).lstrip("\ufeff")
    assert list(csv.reader(io.StringIO(text))) == [
        ["A", "B (bytes)"], ["'=1+1", "5"], ["'@x", "-5"], ["' +1", "0"], ["plain", "1"],
        ["", "2"],
    ]  # fmt: skip
    assert report.file_name == f"kind-x-at-y.example-{TODAY}.csv"


def test_the_command_shows_every_report_as_table_json_and_csv(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    counted(world.own.pk, 0, 0, received=3)
    for kind in Kind:
        call_command("report", kind, domain="own.example", user="alice@own.example")
        assert kinds.TITLES[kind] in capsys.readouterr().out
    call_command("report", "domain-traffic", "--domain", "own.example", "--json")
    shown = json.loads(capsys.readouterr().out)
    assert shown["rows"][-1][1] == 3 and shown["columns"][1]["key"] == "received"
    call_command("report", "domain-traffic", "--domain=own.example", f"--from={TODAY}",
                 f"--to={TODAY}", "--csv")  # fmt: skip
    assert capsys.readouterr().out.splitlines()[0].endswith("Log-ins")
    for wrong in (["domain-traffic"], ["user-folders", "--user=x@own.example"],
                  ["system-volume", "--from=2030-13-01"],
                  ["system-volume", "--from=2001-01-01"]):  # fmt: skip
        with pytest.raises(CommandError):
            call_command("report", *wrong)
