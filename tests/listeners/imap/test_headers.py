"""What is remembered of headers."""

from listeners.imap.headers import Fields
from protocols.imap.fetch import Section, Text

SUBJECT = Section(b"BODY[HEADER.FIELDS (SUBJECT)]", text=Text.HEADER_FIELDS, fields=("SUBJECT",))
DATE = Section(b"BODY[HEADER.FIELDS (DATE)]", text=Text.HEADER_FIELDS, fields=("DATE",))


def test_items_are_known_by_section_and_message():
    fields = Fields()
    fields.put(SUBJECT, 1, b"Subject: a")
    fields.put(DATE, 1, b"Date: b")
    assert fields.of(SUBJECT) == {1: b"Subject: a"}
    assert fields.of(DATE) == {1: b"Date: b"}


def test_the_oldest_are_dropped_when_there_is_no_room():
    fields = Fields(limit_bytes=10_000)
    for message_id in range(100):
        fields.put(SUBJECT, message_id, b"s" * 100)
    assert 99 in fields.of(SUBJECT)
    assert 0 not in fields.of(SUBJECT)
    assert fields.size_bytes <= 10_000


def test_a_section_that_nobody_asks_for_any_more_makes_room():
    fields = Fields(limit_bytes=10_000)
    fields.put(DATE, 1, b"d")
    for message_id in range(1000):
        fields.put(SUBJECT, message_id, b"s" * 100)
    assert not fields.of(DATE)
    assert fields.size_bytes <= 10_000


def test_what_is_as_long_as_an_attack_is_not_remembered():
    fields = Fields()
    fields.put(Section(b"x" * 1000), 1, b"s")
    fields.put(SUBJECT, 1, b"s" * 100_000)
    assert fields.size_bytes == 0
