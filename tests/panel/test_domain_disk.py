"""The disk space of a domain, by user."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from domains.models import DomainLimits
from mailboxes.models import AccountUsage, DomainUsage
from tests.factories import make_user
from tests.people import World

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
URL = "/panel/domain/own.example/disk-space/"


def use(world: World, **megabytes: int) -> None:
    for name, size in megabytes.items():
        user = User.objects.get(domain=world.own, local_part=name)
        usage = {"bytes": size * 2**20, "messages": size * 10}
        AccountUsage.objects.update_or_create(account=user, defaults=usage)
    total = {"bytes": sum(megabytes.values()) * 2**20, "messages": 10 * sum(megabytes.values())}
    DomainUsage.objects.update_or_create(domain=world.own, defaults=total)


@pytest.mark.spec("D-019", "R-003")
def test_the_largest_mailboxes_come_first_with_their_shares(world: World, log_in: LogIn) -> None:
    make_user(world.own, "bob", mailbox_size_mb=100)
    use(world, alice=50, bob=75)
    DomainLimits.objects.filter(domain=world.own).update(disk_space_mb=500)
    for who in (world.admin, world.reseller, world.root):
        page = log_in(who).get(URL)
        rows = page.context["listing"].rows
        assert [(row.local_part, row.share) for row in rows] == [
            ("bob", 15), ("alice", 10), ("admin", 0),
        ]  # fmt: skip
        text = page.content.decode()
        assert "125 MB" in text and "of 500 MB" in text and "75%" in text
    exported: Any = log_in(world.admin).get(URL, {"format": "csv"})
    text = b"".join(exported.streaming_content).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text)))[1] == ["bob@own.example", "75.0", "100", "15", "750"]


def test_without_a_limit_shares_are_of_what_is_used(world: World, log_in: LogIn) -> None:
    DomainLimits.objects.filter(domain=world.own).update(disk_space_mb=0)
    client = log_in(world.admin)
    assert {row.share for row in client.get(URL).context["listing"].rows} == {0}
    use(world, alice=30, admin=10)
    rows = client.get(URL).context["listing"].rows
    assert [row.share for row in rows] == [75, 25]


def test_the_number_of_queries_does_not_grow_with_the_mailboxes(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    def more() -> None:
        for number in range(10):
            make_user(world.own, f"more{number}")

    growth = queries_grow(log_in(world.admin), URL, more)
    assert growth.many == growth.few <= 14
