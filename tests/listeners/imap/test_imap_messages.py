"""APPEND, FETCH, STORE, COPY, MOVE, EXPUNGE and SEARCH through a real socket."""

import pytest

from tests.listeners.imap.conftest import MESSAGE


@pytest.mark.spec("N-040", "N-041")
def test_appended_message_is_fetched_byte_for_byte(alice):
    session = alice(b"INBOX")
    assert session.append(MESSAGE, flags=b"(\\Seen $Label)") == b"1"
    assert session.ok(b"FETCH 1 (FLAGS BODY.PEEK[])") == [
        b"* 1 FETCH (FLAGS (\\Seen $Label \\Recent) BODY[] {%d}\r\n%b)" % (len(MESSAGE), MESSAGE)
    ]


def test_append_to_the_selected_folder_is_told_before_it_ends(alice):
    session = alice(b"INBOX")
    session.send(b"a APPEND INBOX {%d}\r\n" % len(MESSAGE))
    assert session.line() == b"+ OK"
    session.send(MESSAGE + b"\r\n")
    untagged = session.until(b"a")[:-1]
    assert untagged == [b"* 1 EXISTS", b"* 1 RECENT"]
