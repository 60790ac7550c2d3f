"""Mail fetched by POP3 from a running server (N-060, N-062, M-015)."""

from __future__ import annotations

import pytest

from tests.operations.outside import wait_for
from tests.retrieval import fetching
from tests.retrieval.fetching import add, fetch, letter, put, subjects, visited

pytestmark = pytest.mark.spec("N-060", lacks="filters of fetched mail")


def test_new_mail_comes_once_and_stays_there(server):
    fetching.open_domain(server, "pop1.example", "reader", "old")
    put(server, "old@pop1.example", letter("first"), letter("second"))
    number = add(server, "reader@pop1.example", "pop3", "old@pop1.example")
    assert visited(server, number)["last_count"] == 2
    assert subjects(server, "reader@pop1.example") == ["first", "second"]
    put(server, "old@pop1.example", letter("third"))
    found = fetch(server, number)
    assert (found["last_count"], found["last_error"], found["failures"]) == (1, "", 0)
    assert fetch(server, number)["last_count"] == 0
    assert subjects(server, "reader@pop1.example") == ["first", "second", "third"]
    assert fetching.left_by_pop(server, "old@pop1.example") == 3


@pytest.mark.spec("M-082")
def test_each_visit_stands_in_the_log_of_its_kind(server):
    fetching.open_domain(server, "pop7.example", "reader", "old")
    put(server, "old@pop7.example", letter("logged"))
    for kind in ("pop3", "imap"):
        visited(server, add(server, "reader@pop7.example", kind, "old@pop7.example"))
    for log in ("pop-retrieval", "imap-retrieval"):
        told = wait_for(
            lambda log=log: server.manage("log", "search", log, "reader@pop7.example", "fetched")
        )
        assert "from old@pop7.example at 127.0.0.1:" in told and "1 messages fetched." in told


def test_what_is_to_be_deleted_there_is_so_once_it_is_safe_here(server):
    fetching.open_domain(server, "pop2.example", "reader", "old")
    put(server, "old@pop2.example", letter("one"), letter("two"))
    number = add(server, "reader@pop2.example", "pop3", "old@pop2.example", "afterwards=delete")
    assert visited(server, number)["last_count"] == 2
    assert fetching.left_by_pop(server, "old@pop2.example") == 0
    assert subjects(server, "reader@pop2.example") == ["one", "two"]
    put(server, "old@pop2.example", letter("three"))
    assert fetch(server, number)["last_count"] == 1
    assert fetching.left_by_pop(server, "old@pop2.example") == 0


def test_mail_that_has_been_left_is_deleted_when_that_is_chosen_later(server):
    fetching.open_domain(server, "pop3.example", "reader", "old")
    put(server, "old@pop3.example", letter("one"), letter("two"))
    number = add(server, "reader@pop3.example", "pop3", "old@pop3.example")
    assert visited(server, number)["last_count"] == 2
    server.manage("retrieval", "change", str(number), "afterwards=delete-later")
    fetch(server, number)
    assert fetching.left_by_pop(server, "old@pop3.example") == 2  # 30 days are not over
    server.manage("retrieval", "change", str(number), "afterwards=delete")
    assert fetch(server, number)["last_count"] == 0
    assert fetching.left_by_pop(server, "old@pop3.example") == 0
    assert len(subjects(server, "reader@pop3.example")) == 2


def test_mail_comes_into_the_chosen_folder_octet_by_octet(server):
    fetching.open_domain(server, "pop4.example", "reader", "old")
    sent = letter("large", size=900_000, more="Delivered-To: reader@pop4.example\r\n")
    put(server, "old@pop4.example", sent)
    number = add(
        server, "reader@pop4.example", "pop3", "old@pop4.example", "target_folder=From/There"
    )
    assert visited(server, number)["last_count"] == 1
    assert subjects(server, "reader@pop4.example") == []
    (found,) = fetching.messages(server, "reader@pop4.example", "From/There")
    assert found.endswith(sent)
    assert found.startswith(b"Return-Path: <>\r\nDelivered-To: reader@pop4.example\r\n")
    assert b"Received: from 127.0.0.1 (fetched for its reader)\r\n\tby mail.test" in found
    assert b"with POP3 id" in found


@pytest.mark.spec("N-062", lacks="the archive, content filters and events, which would act on it")
def test_the_trace_tells_from_where_it_came(server):
    fetching.open_domain(server, "pop5.example", "reader", "old")
    put(server, "old@pop5.example", letter("traced"))
    number = add(server, "reader@pop5.example", "pop3", "old@pop5.example")
    visited(server, number)
    told = server.manage("trace", "traced@elsewhere.example")
    assert "It was handed in as mail fetched from another server on " in told
    assert "It was fetched from 127.0.0.1 by POP3." in told
    assert "It was put into the mailbox of reader@pop5.example" in told


@pytest.mark.spec("N-062", lacks="the archive, content filters and events, which would act on it")
def test_forwards_and_limits_of_the_hour_do_not_touch_fetched_mail(server):
    fetching.open_domain(
        server, "pop6.example", "reader, forward_to: [x@elsewhere.example]", "old",
        throttling="{outgoing_messages_per_hour: 1, bounces_received_per_hour: 1}",
    )  # fmt: skip
    put(server, "old@pop6.example", *(letter(f"mail {number}") for number in range(4)))
    report = (
        b"From: mailer-daemon@elsewhere.example\r\nSubject: report\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nno\r\n--b\r\nContent-Type:"
        b" message/delivery-status\r\n\r\nReporting-MTA: dns; elsewhere.example\r\n\r\n"
        b"Final-Recipient: rfc822; x@elsewhere.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        b"\r\n--b--\r\n"
    )
    put(server, "old@pop6.example", report, report, report)
    number = add(server, "reader@pop6.example", "pop3", "old@pop6.example")
    found = visited(server, number)
    assert (found["last_count"], found["last_error"]) == (7, "")
    assert len(subjects(server, "reader@pop6.example")) == 7


def test_a_mailbox_that_is_fetched_into_itself_does_not_grow_for_ever(server):
    fetching.open_domain(server, "pop8.example", "reader")
    put(server, "reader@pop8.example", letter("round"))
    number = add(server, "reader@pop8.example", "pop3", "reader@pop8.example")
    assert visited(server, number)["last_count"] == 1
    for _ in range(3):
        assert fetch(server, number)["last_count"] == 0
    assert subjects(server, "reader@pop8.example") == ["round", "round"]
