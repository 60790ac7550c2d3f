"""Lists over a million rows are answered by their indexes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from accounts import inactivity
from accounts.inactivity import Period
from accounts.models import Status as UserStatus
from accounts.models import User
from clock.moments import utc_now
from spool import quarantine, selectors
from spool.listing import Column, Cursor, View
from spool.models import SpooledMessage
from spool.selection import ANYTHING, SpoolFilter, Status
from tests.people import World

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "sqlite", reason="PostgreSQL reads small tables without indexes"
    ),
]


TEXTS_AND_MOMENTS: dict[str, Any] = {
    "sender": "a",
    "spool_path": "a",
    "next_at": utc_now(),
    "quarantined_until": utc_now(),
}


def plan(rows: QuerySet[Any]) -> str:
    return rows.explain()


def explained(statement: str) -> list[str]:
    """The steps of a statement as it was sent."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        return [row[-1] for row in cursor.fetchall()]


def test_users_of_a_status_come_sorted_out_of_an_index() -> None:
    rows = User.objects.filter(status=UserStatus.DISABLED).order_by(
        "domain_id", "local_part", "-pk"
    )
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
    named = "spool_quarantine" if column is Column.REMOVED_AT else f"spool_by_{column.field}"
    index = f"USING INDEX {named[:30]}"
    visible = selectors._visible(None, filter=ANYTHING, view=View.ALL, now=utc_now(), column=column)
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
    *waiting, apart = captured.captured_queries[2:]
    for query in waiting:
        steps = "\n".join(explained(query["sql"]))
        assert "SCAN U0 USING INDEX recipient_in_delivery" in steps
        assert "SCAN spool_spooledmessage" not in steps or "INDEX spool_unlisted" in steps
    steps = "\n".join(explained(apart["sql"]))
    assert "spool_quarantine" in steps and "SCAN spool_spooledmessage" not in steps


@pytest.mark.parametrize("column", list(Column))
@pytest.mark.parametrize(
    ("filter", "view"),
    [(ANYTHING, View.QUARANTINE), (SpoolFilter(status=Status.QUARANTINE), View.ALL)],
)
@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_what_is_in_quarantine_is_found_without_the_rest_of_the_spool(
    column: Column, filter: SpoolFilter, view: View
) -> None:
    visible = selectors._visible(None, filter=filter, view=view, now=utc_now(), column=column)
    with CaptureQueriesContext(connection) as captured:
        selectors._in_order(visible, column, column.is_reversed, None, limit=100)
    (query,) = captured.captured_queries
    steps = "\n".join(explained(query["sql"]))
    assert "spool_quarantine" in steps
    assert "SCAN spool_spooledmessage" not in steps


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_what_is_to_be_removed_is_found_by_its_moment() -> None:
    with CaptureQueriesContext(connection) as captured:
        quarantine.remove_due(now=utc_now())
    (query,) = captured.captured_queries
    steps = explained(query["sql"])
    assert steps == [
        "SEARCH spool_spooledrecipient USING INDEX recipient_quarantine (quarantined_until<?)"
    ]
