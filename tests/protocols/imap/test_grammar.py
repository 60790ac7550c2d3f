"""The words of IMAP: strings, flags, dates, folder names. RFC 3501 §9."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.imap import dates, foldername
from protocols.imap.errors import Malformed
from protocols.imap.grammar import Cursor
from protocols.imap.responses import flag_list, string

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_astring_is_an_atom_a_quoted_string_or_a_literal():
    assert Cursor(b"INBOX]").astring() == b"INBOX]"
    assert Cursor(rb'"a \"b\" \\c"').astring() == rb'a "b" \c'
    assert Cursor(b"{5}\r\na\r\nb ").astring() == b"a\r\nb "
    assert Cursor(b"{3+}\r\nabc").astring() == b"abc"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" a",
        b'"a',
        b'"a\\"',
        b'"a\\x"',
        b'"a\r\nb"',
        b"{5}\r\nabc",
        b"{2}abc",
        b"{1}\r\n\0",
        b"(",
    ],
)
def test_malformed_strings_are_refused(text):
    with pytest.raises(Malformed):
        Cursor(text).astring()


@given(st.binary().filter(lambda octets: b"\0" not in octets))
def test_strings_read_back_what_responses_write(octets):
    cursor = Cursor(string(octets))
    assert cursor.string() == octets
    assert cursor.at_end()


@pytest.mark.parametrize(
    ("name", "wire"),
    [  # the first two from RFC 3501 §5.1.3
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("Hi Mom -☺-!", b"Hi Mom -&Jjo--!"),
        ("A&B", b"A&-B"),
        ("Entwürfe", b"Entw&APw-rfe"),
        ("📬", b"&2D3c7A-"),
    ],
)
def test_folder_names_travel_in_modified_utf_7(name, wire):
    assert foldername.encode(name) == wire
    assert foldername.decode(wire) == name


@given(TEXTS)
def test_folder_names_come_back_as_they_went(name):
    wire = foldername.encode(name)
    assert wire.isascii()
    assert foldername.decode(wire) == ("INBOX" if name.upper() == "INBOX" == name.upper() else name)


@pytest.mark.parametrize(
    "wire", [b"&", b"a&b", b"&AP-", b"&A-", b"&AP/8-", b"&2D0-", b"\xff", b"&\xc3\xa4-"]
)
def test_malformed_folder_names_are_refused(wire):
    with pytest.raises(Malformed):
        foldername.decode(wire)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_folder_name_or_malformed(octets):
    try:
        name = foldername.decode(octets)
    except Malformed:
        return
    assert foldername.decode(foldername.encode(name)) == name


def test_inbox_is_written_in_any_case():
    assert foldername.decode(b"inBoX") == "INBOX"
    assert foldername.decode(b"inbox2") == "inbox2"


def test_system_flags_get_their_own_spelling_and_recent_is_left_out():
    assert Cursor(rb"(\SEEN \deleted $Junk \Recent \seen)").flag_list() == (
        "\\Seen",
        "\\Deleted",
        "$Junk",
    )


@given(st.lists(st.sampled_from(["\\Seen", "\\Draft", "$Forwarded", "NonJunk", "x"]), unique=True))
def test_flag_lists_come_back_as_they_went(flags):
    assert Cursor(flag_list(flags)).flag_list() == tuple(flags)


def test_dates_of_search():
    assert dates.parse_date(b"1-Feb-1994") == date(1994, 2, 1)
    assert dates.parse_date(b"01-FEB-1994") == date(1994, 2, 1)


def test_date_time_is_read_in_utc():
    assert dates.parse_date_time(b"17-Jul-1996 02:44:25 -0700") == datetime(
        1996, 7, 17, 9, 44, 25, tzinfo=UTC
    )
    assert dates.parse_date_time(b" 7-Jul-1996 02:44:25 +0000").day == 7


@pytest.mark.parametrize(
    "text",
    [
        b"31-Feb-1994 00:00:00 +0000",
        b"1-Foo-1994 00:00:00 +0000",
        b"01-Jan-0001 00:00:00 +2359",
        b"01-Jan-2001 25:00:00 +0000",
        b"01-Jan-2001 00:00:00 +9999",
        b"",
    ],
)
def test_malformed_date_times_are_refused(text):
    with pytest.raises(Malformed):
        dates.parse_date_time(text)


@given(st.datetimes(min_value=datetime(1, 1, 3), timezones=st.timezones() | st.just(UTC)))
def test_date_times_come_back_to_the_second(moment):
    moment = moment.replace(year=min(moment.year, 9990))
    text = dates.encode_date_time(moment)
    # In UTC: a local time that a change of the clock leaves out is not equal to itself.
    assert Cursor(text).date_time() == moment.astimezone(UTC).replace(microsecond=0)
