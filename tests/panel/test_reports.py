"""Reports in the panel: right sums, right scope, files and pictures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from clock.moments import utc_now
from domains.models import DomainFeatures
from mailboxes.models import DomainUsage, Folder
from reports import kinds, schedules
from reports.kinds import Scope
from reports.models import DayCounts, Kind, Schedule
from reports.series import EPOCH
from spool.models import LedgerHour
from tests.browser import Visitor
from tests.factories import make_domain
from tests.panel.test_domain_pages import HOSTILE
from tests.people import World, make_world

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
TRAFFIC = "/panel/reports/traffic/"
SPACE = "/panel/reports/disk/"


def fill(world: World) -> None:
    now = utc_now()
    for back in (0, 1, 1, 40):
        hour = int((now - timedelta(days=back)).timestamp()) // 3600
        for domain, count in ((world.own.pk, 3), (world.other.pk, 5), (0, 7)):
            row, _ = LedgerHour.objects.get_or_create(domain_id=domain, hour=hour)
            row.accepted += count
            row.delivered += count - 1
            row.bounced += 1
            row.save()


def text_of(response: Any) -> str:
    return b"".join(response.streaming_content).decode("utf-8-sig")


def test_traffic_is_summed_over_the_days_and_all_domains(world: World, log_in: LogIn) -> None:
    fill(world)
    client = log_in(world.root)
    page = client.get(TRAFFIC)
    assert page.context["totals"][:4] == [45, 36, 0, 9]
    assert client.get(TRAFFIC, {"days": "1"}).context["totals"][0] == 15
    assert len(client.get(TRAFFIC, {"days": "90"}).context["spans"]) == 3
    assert [name for name, _ in page.context["top"]] == ["", "other.example", "own.example"]
    lines = text_of(client.get(TRAFFIC, {"format": "csv", "days": "7"})).splitlines()
    assert lines[0].startswith("Time (UTC),Accepted,Delivered") and len(lines) == 8
    for nonsense in ({"from": "x", "to": "0"}, {"days": "-1"}, {"from": "9999-01-01", "to": "1"}):
        assert client.get(TRAFFIC, nonsense).status_code == 200


@pytest.mark.spec("D-067")
def test_others_see_their_own_domains_and_the_feature_decides(world: World, log_in: LogIn) -> None:
    fill(world)
    assert log_in(world.reseller).get(TRAFFIC).context["totals"][0] == 9
    admin = log_in(world.admin)
    assert admin.get(TRAFFIC).context["totals"][0] == 9
    assert admin.get(TRAFFIC, {"domain": "other.example"}).status_code == 404
    DomainFeatures.objects.filter(domain=world.own).update(domain_reports=False)
    assert admin.get(TRAFFIC).status_code == 403
    assert log_in(world.reseller).get(TRAFFIC).status_code == 200


def test_the_domains_with_the_most_disk_usage_come_first(world: World, log_in: LogIn) -> None:
    DomainUsage.objects.update_or_create(domain=world.own, defaults={"bytes": 40 * 2**20})
    page = log_in(world.root).get(SPACE)
    assert [row.name for row in page.context["listing"].rows] == ["own.example", "other.example"]
    lines = text_of(log_in(world.reseller).get(SPACE, {"format": "csv"})).splitlines()
    assert lines == ["Domain,Used (MB),Limit (MB),Messages", "own.example,40,500,0"]


def test_the_number_of_queries_does_not_grow(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    growth = queries_grow(log_in(world.root), SPACE, lambda: [make_domain() for _ in range(10)])
    assert growth.many == growth.few


@pytest.mark.spec("R-015", lacks="spam")
def test_a_user_sees_the_own_figures_if_the_feature_is_on(world: World, log_in: LogIn) -> None:
    Folder.objects.create(
        account=world.user, name=HOSTILE, uidvalidity=1, messages=2, bytes=3 * 2**20,
        created_at=utc_now(),
    )  # fmt: skip
    client = log_in(world.user)
    page = client.get("/panel/reports/mine/").content.decode()
    assert "3 MB" in page and HOSTILE not in page
    DomainFeatures.objects.filter(domain=world.own).update(user_reports=False)
    assert client.get("/panel/reports/mine/").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_reports_in_a_browser(visitor: Visitor) -> None:
    world = make_world()
    visitor.log_in(world.root)
    visitor.inspect(TRAFFIC, "traffic-none")
    fill(world)
    visitor.inspect(TRAFFIC, "traffic")
    visitor.inspect(SPACE, "disk")
    visitor.log_in(world.user)
    visitor.inspect("/panel/reports/mine/", "my-report")


@pytest.mark.spec("R-010", lacks="spam and mailing lists")
def test_a_domains_reports_are_pages_with_tables_and_files(world: World, log_in: LogIn) -> None:
    day = (utc_now().date() - EPOCH).days
    for account, count in ((0, 12), (world.user.pk, 12)):
        DayCounts.objects.create(
            domain_id=world.own.pk, account_id=account, day=day, received=count
        )
    client = log_in(world.admin)
    page = client.get("/panel/domain/own.example/reports/", {"days": "7"})
    text = page.content.decode()
    assert '<svg class="bar-chart"' in text and f"{utc_now():%Y-%m-%d}: 12 received" in text
    assert text.count('<td class="wrap-anywhere">20') == 7
    page = client.get("/panel/domain/own.example/reports/domain-users/").content.decode()
    assert "alice@own.example" in page
    url = "/panel/domain/own.example/reports/domain-users/"
    lines = text_of(client.get(url, {"format": "csv"})).splitlines()
    assert lines[1].startswith("alice@own.example,12,")
    for kind in kinds.of_scope(Scope.DOMAIN):
        assert client.get(f"/panel/domain/own.example/reports/{kind.value}/").status_code == 200
    for kind in kinds.of_scope(Scope.SYSTEM):
        path = f"/panel/reports/system/{kind.value}/"
        assert log_in(world.root).get(path, {"days": "1"}).status_code == 200
    DomainFeatures.objects.filter(domain=world.own).update(domain_reports=False)
    assert client.get("/panel/domain/own.example/reports/").status_code == 403


@pytest.mark.spec("R-015", lacks="spam")
@pytest.mark.spec("D-078")
def test_users_see_their_own_figures_as_far_as_the_switch_lets_them(
    world: World, log_in: LogIn
) -> None:
    day = (utc_now().date() - EPOCH).days
    DayCounts.objects.create(
        domain_id=world.own.pk, account_id=world.user.pk, day=day, received=31, logins=4
    )
    client = log_in(world.user)
    mine = client.get("/panel/reports/mine/")
    assert ">31</td>" in mine.content.decode() and "My report" in mine.content.decode()
    assert text_of(client.get("/panel/reports/mine/", {"format": "csv"})).count("\n") == 31
    folders = {"format": "csv", "kind": "user-folders"}
    assert text_of(client.get("/panel/reports/mine/", folders)).startswith("Folder,")
    DomainFeatures.objects.filter(domain=world.own).update(user_reports=False)
    assert client.get("/panel/reports/mine/", folders).status_code == 403
    assert "My report" not in client.get("/panel/account/").content.decode()


@pytest.mark.spec("D-068")
def test_reports_are_mailed_from_the_panel_and_the_switch_pauses_them(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.admin)
    given = {"kind": "domain-traffic", "rhythm": "weekly", "hour": "7", "days": "30",
             "inactive": "90d", "addresses": "boss@far.test\n\nalice@own.example"}  # fmt: skip
    assert client.post("/panel/reports/mailed/new/", given).status_code == 302
    row = Schedule.objects.get()
    assert row.addresses == ["boss@far.test", "alice@own.example"] and row.domain == world.own
    page = client.get("/panel/reports/mailed/").content.decode()
    assert "Domain: traffic of own.example" in page and "Undo" in page
    url = f"/panel/reports/mailed/{row.pk}/"
    form = client.get(url).context["form"]
    changed = {"rhythm": "daily", "hour": "8", "days": "30", "inactive": "90d",
               "addresses": "boss@far.test", "version": form["version"].value()}  # fmt: skip
    assert client.post(url, changed).status_code == 302
    assert "Somebody else saved" in client.post(url, changed | {"hour": "9"}).content.decode()
    row.refresh_from_db()
    assert (row.rhythm, row.hour, row.addresses) == ("daily", 8, ["boss@far.test"])
    assert client.post(f"{url}send/").status_code == 302 and row.runs.count() == 1
    stranger = log_in(world.other_admin)
    assert {stranger.post(f"{url}{verb}").status_code for verb in ("", "send/", "delete/")} == {404}
    DomainFeatures.objects.filter(domain=world.own).update(email_reports=False)
    assert client.get("/panel/reports/mailed/new/").status_code == 403
    assert client.post(f"{url}send/").status_code == 403
    assert "switched off for your domain" in client.get("/panel/reports/mailed/").content.decode()
    assert client.post(f"{url}delete/").status_code == 302 and not Schedule.objects.exists()


def test_a_provider_says_of_which_domain_and_a_user_writes_to_himself(
    world: World, log_in: LogIn
) -> None:
    given = {"kind": "domain-inactive", "rhythm": "monthly", "hour": "6", "days": "30",
             "inactive": "6m", "addresses": "boss@far.test"}  # fmt: skip
    client, url = log_in(world.reseller), "/panel/reports/mailed/new/"
    assert "This report needs it" in client.post(url, given).content.decode()
    page = client.post(url, given | {"domain": "other.example"}).content.decode()
    assert "There is no domain other.example" in page and not Schedule.objects.exists()
    assert client.post(url, given | {"domain": "own.example"}).status_code == 302
    client = log_in(world.user)
    assert client.post(url, given | {"kind": "user-activity"}).status_code == 302
    assert Schedule.objects.latest("pk").addresses == ["alice@own.example"]
    # Taking back is an administrator's page: no button leads there.
    assert "Undo" not in client.get("/panel/reports/mailed/").content.decode()
    fields = client.get(url).context["form"].fields
    assert [name for name, field in fields.items() if not field.help_text] == ["version"]


@pytest.mark.spec("D-010")
def test_email_users_of_a_domains_row_opens_its_mailboxes(world: World, log_in: LogIn) -> None:
    client = log_in(world.reseller)
    assert "/panel/domain/own.example/users/" in client.get("/panel/domains/").content.decode()
    page = client.get("/panel/domain/own.example/users/")
    assert {str(row) for row in page.context["listing"].rows} == {
        "admin@own.example", "alice@own.example",
    }  # fmt: skip
    text = page.content.decode()
    assert "/panel/domain/own.example/users/new/" in text and "Add user" in text
    assert client.get("/panel/domain/other.example/users/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_statistics_in_a_browser(visitor: Visitor) -> None:
    world = make_world()
    day = (utc_now().date() - EPOCH).days
    for back in range(20):
        DayCounts.objects.create(
            domain_id=world.own.pk, account_id=0, day=day - back, received=back * 7, sent=back * 3,
            bounced=back % 3, received_bytes=back * 10**6,
        )  # fmt: skip
    visitor.log_in(world.admin)
    visitor.inspect("/panel/domain/own.example/reports/", "domain-report")
    schedules.add(kind=Kind.DOMAIN_USERS, values={}, addresses=["boss@far.test"], by=world.admin,
                  now=utc_now())  # fmt: skip
    visitor.inspect("/panel/reports/mailed/", "mailed-reports")
    visitor.inspect("/panel/reports/mailed/new/", "mailed-report-new")
