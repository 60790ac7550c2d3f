"""Lists over a million rows are answered by their indexes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from accounts import inactivity
from accounts.inactivity import Period
from accounts.models import Status, User
from clock.moments import utc_now
from spool import selectors
from spool.listing import View
from spool.selection import ANYTHING
from tests.people import World

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "sqlite", reason="PostgreSQL reads small tables without indexes"
    ),
]


def plan(rows: QuerySet[Any]) -> str:
    return rows.explain()


def test_users_of_a_status_come_sorted_out_of_an_index() -> None:
    rows = User.objects.filter(status=Status.DISABLED).order_by("domain_id", "local_part", "-pk")
    assert "USING INDEX user_by_status (status=?)" in plan(rows[:50])
    assert "user_by_status (status=?)" in plan(rows.order_by().values("pk")[:10_001])


def test_inactive_users_of_a_reseller_are_counted_without_their_rows(world: World) -> None:
    rows = inactivity.inactive_for(world.reseller, Period.DAYS_30, now=utc_now())
    assert "COVERING INDEX user_made" in plan(rows.order_by().values("pk")[:10_001])


def test_what_is_in_delivery_is_read_once_for_the_whole_list_of_what_waits() -> None:
    rows = selectors._visible(None, filter=ANYTHING, view=View.WAITING, now=utc_now())
    found = plan(rows.order_by().values("id"))
    assert "CORRELATED" not in found and "recipient_in_delivery" in found
