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
    assert lines == ["Domain,Used,Limit (MB),Messages", "own.example,40,500,0"]


def test_the_number_of_queries_does_not_grow(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    growth = queries_grow(log_in(world.root), SPACE, lambda: [make_domain() for _ in range(10)])
    assert growth.many == growth.few


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
