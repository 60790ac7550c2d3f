"""The spool page's lines: order, pages, counters, states in words, and who sees what."""

import copy
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.errors import NotPermitted
from accounts.models import User
from clock.moments import utc_now
from spool import selectors, summaries
from spool.listing import Column, View
from spool.models import NEVER, SpooledMessage, SpooledRecipient, State
from spool.selection import ANYTHING, NothingSelected, Selection, SpoolFilter, Status
from tests import factories
from tests.spool import outgoing
from tests.spool.outgoing import submit

pytestmark = pytest.mark.django_db(transaction=True)
LATER = timedelta(seconds=5)


@pytest.fixture(autouse=True)
def _domains(fresh_spool):
    factories.make_domain("one.example", "alice")
    factories.make_domain("two.example", "bob")


def listed(**given):
    now = utc_now() + LATER
    summaries.list_all(now=now)
    return selectors.page(given.pop("actor", None), now=now, **given)


def names(page):
    return [row.recipients.partition("@")[0] for row in page.rows]


def several(count, **given):
    return [submit(f"r{number:03}@far{number % 3}.test", **given) for number in range(count)]


@pytest.mark.spec("S-010", "S-023", "S-024", "S-025", "S-026", "S-030", "S-039")
def test_a_line_says_what_the_page_shows():
    spool_id = submit("a@far.test", "b@far.test", "c@far.test", body=outgoing.MESSAGE + b"x" * 2000)
    (row,) = listed().rows
    assert row.message_id == spool_id
    assert len(row.file_name) == 13
    assert row.sender == "alice@one.example"
    assert row.recipients == "a@far.test, b@far.test and 1 more"
    assert (row.delivered, row.total) == (0, 3)
    assert row.size_kb == -(-SpooledMessage.objects.get().size_bytes // 1024) == 3
    assert LATER <= row.time_in_spool < LATER + timedelta(seconds=30)
    assert (row.priority, row.is_priority_manual, row.status) == (5, False, "Queued")
    assert row.spool_path.startswith("spool")


@pytest.mark.spec("S-014")
@pytest.mark.parametrize("column", list(Column))
@pytest.mark.parametrize("descending", [False, True])
def test_every_column_sorts_both_ways_and_pages_show_each_message_once(column, descending):
    ids = several(60)
    for number, spool_id in enumerate(ids):
        rows = SpooledRecipient.objects.filter(message=spool_id)
        rows.update(attempts=number % 4, priority=1 + number % 5)
        if number % 7 == 0:
            rows.update(state=State.HELD, due_at=None, hold_reason="x")
        if column is Column.REMOVED_AT:
            until = utc_now() + timedelta(days=1 + number % 4)
            rows.update(state=State.HELD, due_at=None, hold_reason="x", quarantined_until=until)
        SpooledMessage.objects.filter(pk=spool_id).update(sender=f"s{number % 9}@one.example")
    seen, cursor = [], None
    while True:
        page = listed(column=column, descending=descending, rows=25, cursor=cursor)
        seen.append(page)
        if page.next is None:
            break
        cursor = page.next
    assert [len(page.rows) for page in seen] == [25, 25, 10]
    shown = [row.message_id for page in seen for row in page.rows]
    assert sorted(shown) == sorted(ids)
    rows = {row.pk: row for row in SpooledMessage.objects.all()}
    values = [getattr(rows[one], column.field) for one in shown]
    assert values == sorted(values, reverse=descending ^ column.is_reversed)
    back = listed(column=column, descending=descending, rows=25, cursor=seen[2].previous)
    assert [row.message_id for row in back.rows] == [row.message_id for row in seen[1].rows]
    first = listed(column=column, descending=descending, rows=25, cursor=back.previous)
    assert first.previous is None
    assert first.next is not None


@pytest.mark.spec("S-013")
def test_rows_are_limited_and_the_foot_tells_how_many_there_are():
    several(30)
    page = listed(rows=25)
    assert (page.shown, page.is_exact) == ("25 of 30", True)
    assert len(listed(rows=10**9).rows) == 30


def test_behind_a_limit_the_total_is_about(monkeypatch):
    monkeypatch.setattr(selectors, "EXACT_UP_TO", 10)
    several(12)
    assert listed().shown == "12 of ≈10"


@pytest.mark.spec("S-010")
def test_a_page_takes_the_same_few_queries_however_much_there_is():
    def queries():
        now = utc_now() + LATER
        summaries.list_all(now=now)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            selectors.page(None, now=now, rows=1000)
        return len(captured)

    several(2)
    few = queries()
    several(50)
    assert queries() == few <= 5


@pytest.mark.spec("S-011")
def test_the_waiting_view_leaves_out_what_is_in_work():
    first, second = several(2)
    SpooledRecipient.objects.filter(message=first).update(claimed_by=7)
    assert len(listed(view=View.ALL).rows) == 2
    waiting = listed(view=View.WAITING)
    (row,) = waiting.rows
    assert (row.message_id, waiting.total) == (second, 1)
    in_work = listed().rows[0]
    assert (in_work.is_in_work, in_work.next_at) == (True, None)


@pytest.mark.spec("S-027", "S-028")
@pytest.mark.spec("S-045", lacks="filtering")
def test_the_state_is_that_of_the_worst_recipient_in_words():
    submit("a@far.test", "b@far.test", "c@far.test")
    rows = {row.address[0]: row for row in SpooledRecipient.objects.all()}

    def change(name, **values):
        SpooledRecipient.objects.filter(pk=rows[name].pk).update(**values)
        return listed().rows[0]

    due = utc_now() + timedelta(hours=1)
    one = change("a", state=State.RETRYING, reply="450 4.2.1 later", attempts=3, due_at=due)
    assert (one.status, one.attempts) == ("Waiting to retry (450 4.2.1 later)", 3)
    assert one.next_at is not None and one.next_at < due
    limit = utc_now().replace(hour=16, minute=0)
    one = change("b", state=State.THROTTLED, due_at=limit)
    assert one.status == f"Throttled until {limit:%Y-%m-%d} 16:00 UTC"
    assert change("c", state=State.HELD, due_at=None, reply="450 off").status == "Held (450 off)"
    assert change("c", hold_reason="looks odd").status == "Held (looks odd)"
    assert change("c", state=State.QUEUED, hold_reason="", claimed_by=3).status.startswith(
        "Throttled"
    )
    for name in "ab":
        change(name, state=State.DELIVERED, due_at=None)
    assert listed().rows[0].status == "Delivering to far.test"
    assert change("c", claimed_by=None, is_forced=True, due_at=due).status == "Forced"


def test_the_summary_says_the_same_for_the_order():
    spool_id = submit("a@far.test", "b@far.test")
    rows = SpooledRecipient.objects.filter(message=spool_id)
    rows.filter(address="a@far.test").update(state=State.HELD, due_at=None, attempts=2, priority=9)
    listed()
    message = SpooledMessage.objects.get()
    assert (message.worst_state, message.attempts, message.priority) == (State.HELD, 2, 9)
    rows.update(state=State.HELD, due_at=None)
    with connection.cursor() as cursor:
        summaries.refresh(cursor, [spool_id])
    assert SpooledMessage.objects.get().next_at == NEVER


@pytest.mark.spec("S-016")
def test_filters_find_by_either_side_state_priority_and_age():
    submit("bob@far.test")
    submit("carol@near.test", sender="bob@two.example")
    SpooledRecipient.objects.filter(address="bob@far.test").update(priority=9)

    def found(**values):
        return names(listed(filter=SpoolFilter(**values)))

    assert found(recipient="bob@far.test") == ["bob"]
    assert found(recipient="@near.test") == ["carol"]
    assert found(sender="bob@two.example") == ["carol"]
    assert found(domain="far.test") == ["bob"]
    assert found(destination="near.test") == ["carol"]
    assert found(words=("bob",)) == ["bob", "carol"]
    assert found(priority=9) == ["bob"]
    assert found(status=Status.QUEUED) == ["bob", "carol"]
    assert found(status=Status.HELD) == []
    assert found(older_than=timedelta(hours=1)) == []
    assert found(younger_than=timedelta(hours=1)) == ["bob", "carol"]
    assert found(recipient="bob@far.test", priority=1) == []


def test_administrators_see_only_what_their_domains_cause_or_get():
    admin = User.objects.get(domain__name="one.example", local_part="admin")
    other = User.objects.get(domain__name="two.example", local_part="admin")
    submit("bob@far.test")
    assert names(listed(actor=admin)) == ["bob"]
    assert listed(actor=other).rows == []
    # Of mail that others send, an administrator sees the recipients of his own domains only.
    submit("bob@two.example", "carol@far.test", notify="SUCCESS")
    (row,) = listed(actor=other).rows
    assert (row.recipients, row.total, row.submitter) == ("bob@two.example", 1, "")
    with pytest.raises(NotPermitted):
        Selection.everything(actor=admin)
    chosen = Selection.of([row.message_id], actor=other)
    now = utc_now()
    assert [one.address for one in chosen.recipients([row.message_id], now=now)] == [
        "bob@two.example"
    ]


def test_a_verb_needs_a_selection():
    for make in (lambda: Selection.of([]), lambda: Selection.matching(SpoolFilter())):
        with pytest.raises(NothingSelected):
            make()


@pytest.mark.spec("S-014")
@pytest.mark.skipif(connection.vendor != "postgresql", reason="tests/panel asks SQLite")
@pytest.mark.parametrize("column", list(Column))
def test_postgresql_has_an_index_in_the_order_of_each_column(column):
    visible = selectors._visible(None, filter=ANYTHING, view=View.ALL, now=utc_now(), column=column)
    named = {"id": "spool_unfinished", "quarantined_until": "spool_quarantine"}
    index = named.get(column.field, f"spool_by_{column.field}"[:30])
    # As on a server: most messages have ended. Among none, any index in this order will do.
    kept = SpooledMessage.objects.get(pk=submit("bob@far.test"))
    ended = copy.copy(kept)
    ended.finished_at = utc_now()
    with transaction.atomic(), connection.cursor() as cursor:
        SpooledMessage.objects.bulk_create(
            [copy.copy(ended) for ended.pk in range(kept.pk - 2000, kept.pk)]
        )
        cursor.execute("ANALYZE spool_spooledmessage")
        with CaptureQueriesContext(connection) as captured:
            selectors._in_order(visible, column, True, None, limit=100)
        # So small a table it would rather read and sort, which is not what is asked here.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {captured.captured_queries[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert f"using {index} on spool_spooledmessage" in plan
    assert "Sort Key: spool_spooledmessage" not in plan
