"""Dialogues without their secrets and messages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logbook.dialogue import Dialogue

SECRET = b"hunter2-Zm9v"


def play(protocol, *turns):
    dialogue, shown = Dialogue(protocol), []
    for turn in turns:
        side, octets = turn[:2], turn[3:]
        shown += (dialogue.heard if side == b"C:" else dialogue.said)(octets + b"\r\n")
    return shown


@pytest.mark.spec("M-088")
def test_smtp_shows_neither_passwords_nor_messages():
    shown = play(
        "smtp",
        b"S: 220 mail.test ESMTP",
        b"C: AUTH PLAIN " + SECRET,
        b"S: 235 2.7.0 Welcome",
        b"C: auth login",
        b"S: 334 VXNlcm5hbWU6",
        b"C: " + SECRET,
        b"S: 334 UGFzc3dvcmQ6",
        b"C: " + SECRET,
        b"S: 535 5.7.8 Wrong",
        b"C: MAIL FROM:<a@one.example>",
        b"S: 250 OK",
        b"C: DATA",
        b"S: 354 Go on",
        b"C: Subject: " + SECRET,
        b"C: ",
        b"C: " + SECRET,
        b"C: .",
        b"S: 250 2.0.0 Taken",
        b"C: BDAT 14 LAST\r\n" + SECRET,
        b"C: QUIT",
    )
    assert not any(SECRET.decode() in line for line in shown)
    assert "C: AUTH PLAIN ***" in shown
    assert shown.count("C: ***") == 2
    assert any(line.startswith("C: [message of ") for line in shown)
    assert shown[-2:] == ["C: [14 bytes]", "C: QUIT"]
    assert "C: MAIL FROM:<a@one.example>" in shown


def test_a_refused_data_hides_nothing_that_follows():
    shown = play("smtp", b"C: DATA", b"S: 503 5.5.1 Not now", b"C: NOOP")
    assert shown[-1] == "C: NOOP"


@pytest.mark.spec("M-088")
def test_imap_shows_neither_passwords_nor_literals():
    shown = play(
        "imap",
        b"S: * OK ready",
        b"C: a1 LOGIN anna " + SECRET,
        b"S: a1 NO wrong",
        b"C: a2 login anna {12}",
        b"S: + go on",
        b"C: " + SECRET,
        b"S: a2 OK welcome",
        b"C: a3 AUTHENTICATE PLAIN",
        b"S: + ",
        b"C: " + SECRET,
        b"S: a3 OK again",
        b"C: a4 APPEND INBOX {12+}\r\n" + SECRET,
        b"C: a5 FETCH 1 BODY[]",
        b"S: * 1 FETCH (BODY[] {12}\r\n" + SECRET + b")",
        b"S: a5 OK done",
    )
    assert not any(SECRET.decode() in line for line in shown)
    assert "C: a1 LOGIN ***" in shown
    assert "C: a5 FETCH 1 BODY[]" in shown
    assert "S: [12 bytes]" in shown


@pytest.mark.spec("M-088")
def test_pop3_shows_neither_passwords_nor_messages():
    shown = play(
        "pop",
        b"S: +OK ready",
        b"C: USER anna",
        b"S: +OK go on",
        b"C: PASS " + SECRET,
        b"S: +OK welcome",
        b"C: APOP anna " + SECRET,
        b"S: -ERR not now",
        b"C: LIST",
        b"S: +OK 1 message",
        b"S: 1 20",
        b"S: .",
        b"C: RETR 1",
        b"S: +OK follows",
        b"S: " + SECRET,
        b"S: .",
        b"C: QUIT",
        b"S: +OK bye",
    )
    assert not any(SECRET.decode() in line for line in shown)
    assert "C: PASS ***" in shown
    assert "S: 1 20" in shown
    assert "S: [message of 14 bytes]" in shown
    assert shown[-1] == "S: +OK bye"


@settings(max_examples=200)
@given(
    st.sampled_from(["smtp", "imap", "pop"]),
    st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), max_size=20),
)
def test_any_octets_are_taken(protocol, turns):
    dialogue = Dialogue(protocol)
    for is_client, octets in turns:
        for line in (dialogue.heard if is_client else dialogue.said)(octets):
            assert line.startswith(("C: ", "S: "))
            assert len(line) < 2_100


@given(st.lists(st.integers(1, 40), max_size=10))
def test_pieces_make_no_difference(cuts):
    octets = b"a1 LOGIN anna hunter2\r\na2 APPEND INBOX {5+}\r\nhello\r\na3 NOOP\r\n"
    dialogue, shown, start = Dialogue("imap"), [], 0
    for cut in [*cuts, len(octets)]:
        shown += dialogue.heard(octets[start : start + cut])
        start += cut
    assert shown == Dialogue("imap").heard(octets)
