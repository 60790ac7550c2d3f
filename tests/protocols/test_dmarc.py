"""What domains publish about mail in their name, and where it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import dmarc
from protocols.dmarc import DmarcPolicy


@pytest.mark.parametrize(
    ("texts", "policy"),
    [
        (["v=DMARC1; p=reject"], DmarcPolicy("reject", "reject")),
        (["v=DMARC1;p=none;sp=Quarantine"], DmarcPolicy("none", "quarantine")),
        (["v=spf1 -all", "v=DMARC1; p=quarantine; sp=?"], DmarcPolicy("quarantine", "quarantine")),
        (["v=DMARC1; rua=mailto:a@b.test"], DmarcPolicy("none", "none")),
        (["v=DMARC1; p=reject", "v=DMARC1; p=none"], None),
        ([], None),
        (["v=DMARC10; p=reject"], None),
    ],
)
def test_one_record_counts_and_what_cannot_be_read_asks_for_nothing(texts, policy):
    assert dmarc.read(texts) == policy


def test_a_record_is_looked_for_up_to_the_last_name_with_two_labels():
    assert list(dmarc.places("a.b.example.org")) == [
        "_dmarc.a.b.example.org", "_dmarc.b.example.org", "_dmarc.example.org",
    ]  # fmt: skip
    assert list(dmarc.places("test")) == ["_dmarc.test"]


def test_a_name_of_very_many_labels_costs_few_questions():
    places = list(dmarc.places(".".join(["x"] * 100 + ["example", "org"])))
    assert len(places) <= dmarc.MOST_STEPS
    assert places[-1] == "_dmarc.example.org"


@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_texts_are_taken(texts):
    dmarc.read(texts)


@given(st.text(max_size=80))
def test_any_name_is_taken(name):
    assert len(list(dmarc.places(name))) <= dmarc.MOST_STEPS + 1
