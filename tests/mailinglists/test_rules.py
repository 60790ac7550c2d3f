"""May a post go out? Every rule, and which comes first (L-004, L-005, L-006, L-014, L-015)."""

from dataclasses import replace

import pytest

from domains.policy import Throttling
from mailinglists import rules
from mailinglists.directory import ListPolicy
from mailinglists.rules import Poster, PostFacts, Verdict

OPEN = ListPolicy(
    list_id=1, domain_id=1, local_part="news", description="", posting="anyone",
    is_moderated=False, has_password=False, maximum_post_bytes=None, replies_to="sender",
    subject_prefix="", takes_subscriptions=True, throttling=Throttling(None, None, None),
    moderators=frozenset(), allowed=frozenset(), banned=frozenset(),
)  # fmt: skip
CLOSED = replace(OPEN, posting="subscribers")
OURS = replace(OPEN, posting="moderators", moderators=frozenset({7}))
KIM = Poster(("kim@a.test",), None, None, is_subscribed=False)
MEMBER = replace(KIM, is_subscribed=True)
LOGGED_IN = replace(KIM, account_id=7)
POST = PostFacts(1000, None, False, "", "", None)


@pytest.mark.spec("L-004")
@pytest.mark.parametrize(
    ("policy", "poster", "decision"),
    [
        (OPEN, KIM, rules.ACCEPTED),
        (CLOSED, KIM, rules.NOT_SUBSCRIBED),
        (CLOSED, MEMBER, rules.ACCEPTED),
        (OURS, MEMBER, rules.NOT_MODERATOR),
        (OURS, LOGGED_IN, rules.ACCEPTED),
        (OURS, replace(KIM, claimed_account_id=7), rules.NOT_PROVEN),
        (OURS, replace(LOGGED_IN, account_id=8), rules.NOT_MODERATOR),
        (replace(CLOSED, allowed=frozenset({"@a.test"})), KIM, rules.ACCEPTED),
        (replace(CLOSED, allowed=frozenset({"kim@a.test"})), KIM, rules.ACCEPTED),
        (replace(CLOSED, allowed=frozenset({"a.test"})), KIM, rules.NOT_SUBSCRIBED),
        (replace(OPEN, banned=frozenset({"@a.test"})), KIM, rules.BANNED),
        (replace(OURS, banned=frozenset({"kim@a.test"})), LOGGED_IN, rules.BANNED),
    ],
)
def test_who_may_write(policy, poster, decision):
    assert rules.may_write(policy, poster) is decision


@pytest.mark.spec("L-004")
def test_the_author_must_be_allowed_as_well_as_the_sender():
    both = replace(KIM, keys=("kim@a.test", "ceo@bank.test"))
    assert rules.may_write(replace(CLOSED, allowed=frozenset({"@a.test"})), both).words.startswith(
        "Only subscribers"
    )
    assert rules.may_write(replace(OPEN, banned=frozenset({"@bank.test"})), both) is rules.BANNED


@pytest.mark.parametrize(
    ("facts", "verdict", "code"),
    [
        ({}, Verdict.ACCEPT, ""),
        ({"has_been_here": True}, Verdict.DISCARD, ""),
        ({"auto_submitted": "auto-replied"}, Verdict.DISCARD, ""),
        ({"auto_submitted": "no"}, Verdict.ACCEPT, ""),
        ({"maximum_bytes": 999}, Verdict.REFUSE, "5.2.3"),
        ({"maximum_bytes": 1000}, Verdict.ACCEPT, ""),
        ({"password": False}, Verdict.REFUSE, "5.7.1"),
        ({"password": True}, Verdict.ACCEPT, ""),
        ({"spam_mark": "X-Spam-Flag"}, Verdict.HOLD, ""),
        ({"spam_mark": "X-Spam-Flag", "password": False}, Verdict.REFUSE, "5.7.1"),
    ],
)
def test_what_a_post_is_decides_too(facts, verdict, code):
    decision = rules.judge(OPEN, KIM, replace(POST, **facts))
    assert (decision.verdict, decision.enhanced) == (verdict, code)


@pytest.mark.spec("L-005")
def test_every_post_waits_where_the_list_is_moderated_but_that_of_a_moderator():
    policy = replace(OPEN, is_moderated=True, moderators=frozenset({7}))
    assert rules.judge(policy, KIM, POST).held_for == "moderated"
    assert rules.judge(policy, LOGGED_IN, POST) is rules.ACCEPTED
    assert rules.judge(policy, replace(KIM, claimed_account_id=7), POST).held_for == "moderated"


@pytest.mark.spec("L-004", "L-005")
def test_whom_nobody_knows_waits_where_there_are_moderators_and_is_refused_where_not():
    assert rules.judge(CLOSED, KIM, POST) is rules.NOT_SUBSCRIBED
    run = replace(CLOSED, moderators=frozenset({7}))
    assert rules.judge(run, KIM, POST).held_for == "not-allowed"
    banned = replace(run, banned=frozenset({"@a.test"}))
    assert rules.judge(banned, KIM, POST) is rules.BANNED


@pytest.mark.spec("L-015", lacks="a spam filter of its own")
def test_a_moderators_own_post_waits_if_it_is_marked_as_spam():
    marked = replace(POST, spam_mark="X-Spam-Status")
    assert rules.judge(OURS, LOGGED_IN, marked).held_for == "spam"


def test_mail_without_a_sender_is_never_posted():
    assert rules.judge(OPEN, replace(KIM, keys=()), POST) is rules.NO_SENDER
