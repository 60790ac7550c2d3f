"""What stops a visit, what is tried again and when, and what the user is told (N-060)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from blobs.ids import new_id
from clock.moments import utc_now
from mailboxes.models import Message
from retrieval import claims, outcomes
from retrieval.models import Kind, RetrievalAccount
from retrieval.outcomes import Outcome
from tests import factories
from tests.retrieval import fetching
from tests.retrieval.fetching import add, fetch, letter, put, subjects, visited

pytestmark = pytest.mark.spec("N-060", lacks="filters of fetched mail")


def test_a_wrong_password_is_told_in_plain_words(server):
    fetching.open_domain(server, "fail1.example", "reader", "old")
    number = add(
        server, "reader@fail1.example", "pop3", "old@fail1.example", password="not this one"
    )
    found = visited(server, number)
    assert found["failures"] == 1
    assert "refused name or password" in found["last_error"]
    assert "not this one" not in server.log
    assert "not this one" not in server.manage("retrieval", "show", str(number), "--json")
    server.manage("retrieval", "change", str(number), "--password", text=f"{factories.PASSWORD}\n")
    assert fetch(server, number)["failures"] == 0


def test_no_server_in_a_private_network_is_asked(server):
    """Nor this machine, which is not of the networks that are allowed."""
    fetching.open_domain(server, "fail2.example", "reader")
    server.manage(
        "retrieval", "add", "reader@fail2.example", "imap", "::1", "x",
        f"port={server.port('imap')}", "security=none", text="y\n",
    )  # fmt: skip
    number = fetching.listed(server, "retrieval", "list", "reader@fail2.example")[0]["number"]
    found = visited(server, number)
    assert "private address, or to this server itself" in found["last_error"]
    assert found["failures"] == 1


def test_a_message_that_is_too_large_stays_there_and_the_others_come(server):
    fetching.open_domain(server, "fail3.example", "reader", "old")
    put(server, "old@fail3.example", letter("large", size=3_000_000), letter("small"))
    server.manage("apply", "-", text="settings: {listeners: {message_size_mb: 1}}\n")
    try:
        number = add(
            server, "reader@fail3.example", "imap", "old@fail3.example", "afterwards=delete"
        )
        found = visited(server, number)
        assert (found["last_count"], found["failures"]) == (1, 0)
        assert "1 message is larger than the 1 MB that this server takes" in found["last_error"]
    finally:
        server.manage("apply", "-", text="settings: {listeners: {message_size_mb: 50}}\n")
    assert subjects(server, "old@fail3.example") == ["large"]
    assert fetch(server, number)["last_count"] == 1
    assert subjects(server, "reader@fail3.example") == ["small", "large"]
    assert subjects(server, "old@fail3.example") == []


@pytest.mark.parametrize("kind", ["pop3", "imap"])
def test_a_full_mailbox_stops_it_and_room_lets_it_go_on(server, kind):
    name = f"full-{kind}.example"
    fetching.open_domain(server, name, "reader, mailbox_size_mb: 1", "old")
    put(server, f"old@{name}", *(letter(f"mail {n}", size=400_000) for n in range(4)))
    number = add(server, f"reader@{name}", kind, f"old@{name}", "afterwards=delete")
    found = visited(server, number)
    assert (found["last_count"], found["failures"]) == (2, 0)
    assert found["last_error"].startswith("Your mailbox is full")
    with fetching.imap(server, f"old@{name}") as client:
        assert client.select()[1] == [b"2"]  # what is not here is still there
    fetching.open_domain(server, name, "reader, mailbox_size_mb: 10", "old")
    assert fetch(server, number)["last_count"] == 2
    assert len(subjects(server, f"reader@{name}")) == 4


def test_the_pause_doubles_with_each_failure_up_to_six_hours():
    minutes = [outcomes.wait(5, failures) // timedelta(minutes=1) for failures in range(12)]
    assert minutes == [5, 5, 10, 20, 40, 80, 160, 320, 360, 360, 360, 360]
    assert outcomes.wait(1440, 12) == timedelta(days=1)
    assert outcomes.wait(1, 1000) == timedelta(hours=6)


def account_of(domain, *, failures: int = 0) -> RetrievalAccount:
    user = domain.users.get(local_part="alice")
    return RetrievalAccount.objects.create(
        user=user, kind=Kind.POP3, host="pop.elsewhere.example", username="<b>ann</b>\u202e",
        password=b"x", created_at=utc_now(), next_due_at=utc_now(), failures=failures,
    )  # fmt: skip


def fails(row: RetrievalAccount, now: datetime) -> None:
    claim = new_id()
    RetrievalAccount.objects.filter(pk=row.pk).update(claimed_by=claim, claimed_until=now)
    outcome = Outcome(row.pk, claim, error="The server closed the connection.", has_failed=True)
    outcomes.write(outcome, now=now)


@pytest.mark.django_db(transaction=True)
def test_after_ten_failures_in_a_row_the_user_is_told_once():
    row = account_of(factories.make_domain("one.example", "alice"))
    for _ in range(9):
        fails(row, utc_now())
    assert Message.objects.count() == 0
    for _ in range(5):
        fails(row, utc_now())
    row.refresh_from_db()
    assert (row.failures, Message.objects.count()) == (14, 1)
    now = utc_now()
    RetrievalAccount.objects.filter(pk=row.pk).update(claimed_by=7, claimed_until=now)
    outcomes.write(Outcome(row.pk, 7, count=1), now=now)
    row.refresh_from_db()
    assert (row.failures, row.told_at) == (0, None)
    for _ in range(10):
        fails(row, utc_now())
    assert Message.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_account_is_claimed_once_and_given_back_when_its_process_has_died():
    row = account_of(factories.make_domain("one.example", "alice"))
    now, kinds = utc_now(), ["imap", "pop3"]
    ((first, _),) = claims.claim(kinds, limit=10, maximum=10, now=now).values()
    assert claims.claim(kinds, limit=10, maximum=10, now=now) == {}
    later = now + claims.LEASE - timedelta(seconds=5)
    assert claims.keep(row.pk, first, now=later)
    assert claims.claim(kinds, limit=10, maximum=10, now=now + claims.LEASE) == {}
    ((second, _),) = claims.claim(kinds, limit=10, maximum=10, now=later + claims.LEASE).values()
    assert second != first
    assert not claims.keep(row.pk, first, now=later)
    outcomes.write(Outcome(row.pk, first, count=5), now=later)  # too late to say anything
    row.refresh_from_db()
    assert (row.claimed_by, row.last_run_at) == (second, None)


@pytest.mark.django_db(transaction=True)
def test_no_more_accounts_than_allowed_are_fetched_at_the_same_time():
    domain = factories.make_domain("one.example", "alice")
    rows = [account_of(domain) for _ in range(5)]
    now = utc_now()
    first = claims.claim(["pop3"], limit=2, maximum=3, now=now)
    second = claims.claim(["pop3"], limit=10, maximum=3, now=now)
    assert (len(first), len(second)) == (2, 1)
    assert first.keys() | second.keys() == {row.pk for row in rows[:3]}
    assert claims.claim(["imap"], limit=10, maximum=10, now=now) == {}
