"""Mailing lists in files: applied, applied again, pruned; snapshots that give them back."""

from __future__ import annotations

from typing import Any

import pytest

from mailinglists import services
from mailinglists.models import MailingList, Subscriber
from tests.mailhost.applying import snapshot

pytestmark = pytest.mark.django_db

FILE = """
    domains:
      - name: example.com
        admin: {username: admin, password: four plain words please}
        users:
          - {username: alice, password: four plain words please}
        mailing_lists:
          - name: news
            description: All that is new
            posting: moderators
            moderators: [alice]
            may_always_post: ["@partner.example"]
            may_never_post: [rude@far.example]
            post_password: sesame
            footer_text: "Leave: $unsubscribe"
            subscribers:
              - ann@far.example
              - {address: bob@far.example, name: Bob, mode: digest}
              - {address: eve@far.example, suspended: true}
          - {name: board}
"""


@pytest.mark.spec("L-001", "L-012")
def test_a_file_makes_lists_and_applied_again_changes_nothing(apply: Any) -> None:
    done = apply(FILE)
    assert done.failure == "", done.problems
    assert "+ mailing list news@example.com" in done.lines
    assert "+ 3 subscribers of news@example.com" in done.lines
    row = MailingList.objects.get(local_part="news")
    assert (row.posting, services.moderator_names(row)) == ("moderators", ["alice"])
    assert services.rules_of(row) == ["allow @partner.example", "ban rude@far.example"]
    assert row.post_password and "sesame" not in row.post_password
    found = Subscriber.objects.values_list("address", "name", "mode", "state")
    assert set(found) == {
        ("ann@far.example", "", "standard", "active"),
        ("bob@far.example", "Bob", "digest", "active"),
        ("eve@far.example", "", "standard", "suspended"),
    }
    again = apply(FILE)
    assert [line for line in again.lines if "list" in line or "subscriber" in line] == []


def test_a_file_changes_what_it_says_and_prunes_only_when_it_shall(apply: Any) -> None:
    apply(FILE)
    changed = FILE.replace("posting: moderators", "posting: anyone").replace(
        "- ann@far.example\n", "- {address: ann@far.example, name: Ann}\n"
    )
    changed = changed.replace("          - {name: board}\n", "").replace(
        "              - {address: eve@far.example, suspended: true}\n", ""
    )
    done = apply(changed)
    lines = [line for line in done.lines if "list" in line or "subscriber" in line]
    assert lines == [
        "~ mailing list news@example.com: posting moderators -> anyone",
        "~ subscriber ann@far.example of news@example.com: name none -> Ann",
    ]
    assert MailingList.objects.count() == 2 and Subscriber.objects.count() == 3
    done = apply(changed, prune=True)
    assert "- mailing list board@example.com" in done.lines
    assert "- 1 subscribers of news@example.com" in done.lines
    assert MailingList.objects.count() == 1 and Subscriber.objects.count() == 2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("{name: news, posting: nobody}", "must be one of anyone"),
        ("{name: a b}", "cannot be used before the @"),
        ("{name: news, subscribers: [nobody]}", "is no address"),
        ("{name: news, subscribers: [{address: a@b.example, mode: x}]}", "must be one of"),
        ("{name: news, may_never_post: [x]}", "neither an address"),
        ("{name: news, subscribers: [a@b.example, a@b.example]}", "comes twice"),
        ("{name: news, nothing: 1}", "nothing"),
        ("{name: news, moderators: [nobody]}", "no user"),
        ("{name: alice}", "taken"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_done(apply: Any, wrong: str, reason: str) -> None:
    text = FILE.partition("        mailing_lists:")[0] + f"        mailing_lists: [{wrong}]\n"
    done = apply(text)
    assert done.failure
    assert reason in " ".join([*done.problems, done.failure]), done.problems
    assert not MailingList.objects.exists()


@pytest.mark.parametrize("features", ["{}", "{mailing_lists: false}"])
def test_a_snapshot_gives_the_lists_back(apply: Any, features: str) -> None:
    apply(FILE.replace("        users:", f"        features: {features}\n        users:"))
    taken = snapshot("example.com")
    assert "sesame" not in taken and "rude@far.example" in taken
    lists = snapshot("example.com").partition("mailing_lists:")[2]
    assert "bob@far.example" in lists and "suspended: true" in lists
    services.change_list(
        mailing_list=MailingList.objects.get(local_part="news"),
        values={"footer_text": ""}, moderators=[], poster_rules=[], by=None,
    )  # fmt: skip
    Subscriber.objects.filter(key="bob@far.example").delete()
    assert apply(taken).failure == ""
    assert snapshot("example.com") == taken
    # Where they are gone, too, whether the domain may have lists or not.
    for row in MailingList.objects.select_related("domain"):
        services.delete_list(mailing_list=row, by=None)
    assert apply(taken).failure == ""
    assert set(MailingList.objects.values_list("local_part", flat=True)) == {"news", "board"}
