"""Rules that hold mail as it comes, and what is there already."""

from datetime import timedelta

import pytest

from clock.moments import utc_now
from domains.errors import ValuesRefused
from events.models import AuditEntry
from mailboxes.models import Message
from spool import holding, proof
from spool.holding import NewHoldRule
from spool.models import HoldRule, SpooledMessage, SpooledRecipient, State
from spool.selection import NothingSelected
from tests import factories
from tests.spool.outgoing import states, submit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _domain(fresh_spool):
    factories.make_domain("one.example", "alice", "carol")


def row(address):
    return SpooledRecipient.objects.get(address=address)


def is_even():
    return all(balance.is_even for balance in proof.balances())


def test_a_standing_rule_catches_what_is_there_and_what_comes():
    submit("bob@far.test")
    submit("eve@near.test")
    rule, done = holding.add_rule(
        new=NewHoldRule(destination="far.test", reason="under repair"), by=None, now=utc_now()
    )
    assert done.done == 1
    later = submit("dan@far.test", "fay@near.test")
    assert states(later) == {"dan@far.test": "HELD", "fay@near.test": "QUEUED"}
    held = row("dan@far.test")
    assert (held.hold_reason, held.hold_rule, held.due_at) == ("under repair", rule.pk, None)
    steps = [one["step"] for one in SpooledMessage.objects.get(pk=later).decisions]
    assert "hold" in steps
    freed = holding.remove_rule(rule=rule, by=None, now=utc_now())
    assert freed.done == 2
    assert {row("bob@far.test").state, row("dan@far.test").state} == {State.QUEUED}
    assert submit("gus@far.test") and row("gus@far.test").state == State.QUEUED
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"added hold rule", "removed hold rule"} <= verbs


def test_a_rule_holds_mail_for_our_own_mailboxes_too():
    holding.add_rule(new=NewHoldRule(sender="@spam.test", reason="flood"), by=None, now=utc_now())
    submit("alice@one.example", sender="eve@spam.test")
    assert row("alice@one.example").state == State.HELD
    assert Message.objects.count() == 0
    submit("carol@one.example", sender="bob@good.test")
    assert row("carol@one.example").state == State.DELIVERED
    assert is_even()


def test_a_rule_ends_by_itself_and_lets_go():
    now = utc_now()
    until = now + timedelta(hours=1)
    new = NewHoldRule(recipient="bob@far.test", reason="till noon", until=until)
    holding.add_rule(new=new, by=None, now=now)
    submit("bob@far.test")
    assert holding.keep_rules(now=now) == 0
    assert row("bob@far.test").state == State.HELD
    assert holding.keep_rules(now=until) == 1
    assert row("bob@far.test").state == State.QUEUED
    assert not HoldRule.objects.exists()


def test_a_rule_must_say_which_mail_and_why():
    for new, error in (
        (NewHoldRule(reason="all"), NothingSelected),
        (NewHoldRule(sender="@x.test"), ValuesRefused),
        (NewHoldRule(sender="@x.test", reason="x", until=utc_now()), ValuesRefused),
    ):
        with pytest.raises(error):
            holding.add_rule(new=new, by=None, now=utc_now())


def test_mail_that_no_rule_holds_costs_no_query_more(django_assert_num_queries):
    submit("bob@far.test")
    holding.add_rule(new=NewHoldRule(sender="@x.test", reason="x"), by=None, now=utc_now())
    submit("bob@far.test")
    with django_assert_num_queries(0):
        submit("bob@far.test")  # the committer writes by a connection of its own
