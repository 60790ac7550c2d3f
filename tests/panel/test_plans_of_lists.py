"""Lists over a million rows are answered by their indexes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from accounts import inactivity
from accounts.inactivity import Period
from accounts.models import Status, User
from clock.moments import utc_now
from spool import selectors
from spool.listing import Column, Cursor, View
from spool.models import SpooledMessage
from spool.selection import ANYTHING
from tests.people import World

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "sqlite", reason="PostgreSQL reads small tables without indexes"
    ),
]


TEXTS_AND_MOMENTS: dict[str, Any] = {"sender": "a", "spool_path": "a", "next_at": utc_now()}


def plan(rows: QuerySet[Any]) -> str:
    return rows.explain()


def explained(statement: str) -> list[str]:
    """The steps of a statement as it was sent."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        return [row[-1] for row in cursor.fetchall()]


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


@pytest.mark.parametrize("column", [one for one in Column if one.field != "id"])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.spec("S-013", "S-014")
def test_the_spool_is_sorted_by_an_index_of_each_column(column: Column, descending: bool) -> None:
    """However many wait: the rows of one page are read, and none of them is sorted."""
    index = f"USING INDEX {f'spool_by_{column.field}'[:30]}"
    visible = selectors._visible(None, filter=ANYTHING, view=View.ALL, now=utc_now())
    value = TEXTS_AND_MOMENTS.get(column.field, 7)
    cursors = (None, Cursor(value=value, message_id=5))
    with CaptureQueriesContext(connection) as captured:
        for cursor in cursors:
            selectors._in_order(visible, column, descending, cursor, limit=100)
    assert len(captured) == 3
    for query in captured.captured_queries:
        steps = explained(query["sql"])
        assert index in steps[0]
        # Further steps read what belongs to one row; the only sorting is that of its recipients.
        assert sum("ORDER BY" in step for step in steps) == 1
        assert steps[-1] == "USE TEMP B-TREE FOR ORDER BY" and "CORRELATED" in steps[-3]


def test_the_whole_spool_is_counted_out_of_indexes(world: World) -> None:
    with CaptureQueriesContext(connection) as captured:
        total = selectors._count(
            world.root, SpooledMessage.objects.none(), filter=ANYTHING, view=View.ALL
        )
    assert total == (0, True)
    listed, fresh = (explained(one["sql"]) for one in captured.captured_queries)
    assert "spool_by_worst_state (worst_state<?)" in listed[1]
    assert "USING INDEX spool_unlisted" in fresh[1]


def test_what_waits_is_all_but_what_is_in_delivery(world: World) -> None:
    with CaptureQueriesContext(connection) as captured:
        selectors._count(
            world.root, SpooledMessage.objects.none(), filter=ANYTHING, view=View.WAITING
        )
    for query in captured.captured_queries[2:]:
        steps = "\n".join(explained(query["sql"]))
        assert "SCAN U0 USING INDEX recipient_in_delivery" in steps
        assert "SCAN spool_spooledmessage" not in steps or "INDEX spool_unlisted" in steps
