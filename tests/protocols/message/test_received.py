from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.message import headers, received, submission
from protocols.message.received import Encryption, Hop

NOW = datetime(2026, 11, 21, 22, 28, 7, tzinfo=UTC)
HOP = Hop(
    server_name="mx.example.com",
    spool_id="4KZ1",
    greeting="mail.example.org",
    client_address="2001:db8::1",
    client_name="out.example.org",
    encryption=Encryption("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256),
    recipient="alice@example.com",
)


@pytest.mark.spec("N-024")
def test_the_trace_names_client_protocol_id_and_time():
    assert received.received(HOP, NOW) == (
        b"Received: from mail.example.org (out.example.org [IPv6:2001:db8::1])\r\n"
        b"\tby mx.example.com (MailHost) with ESMTPS id 4KZ1\r\n"
        b"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits))\r\n"
        b"\tfor <alice@example.com>;\r\n"
        b"\tSat, 21 Nov 2026 22:28:07 +0000\r\n"
    )


@pytest.mark.spec("N-024")
def test_a_submitter_can_be_hidden():
    line = received.received(replace(HOP, client_address=None, is_authenticated=True), NOW)
    assert line.startswith(b"Received: by mx.example.com (MailHost) with ESMTPSA id 4KZ1\r\n")
    assert b"mail.example.org" not in line


@pytest.mark.parametrize(
    ("changes", "keyword"),
    [
        ({"is_extended": False, "encryption": None}, "SMTP"),
        ({"encryption": None}, "ESMTP"),
        ({}, "ESMTPS"),
        ({"encryption": None, "is_authenticated": True}, "ESMTPA"),
        ({"is_authenticated": True}, "ESMTPSA"),
        ({"is_utf8": True}, "UTF8SMTPS"),
        ({"is_utf8": True, "is_authenticated": True}, "UTF8SMTPSA"),
    ],
)
def test_protocol_keywords_are_those_of_rfc_3848_and_rfc_6531(changes, keyword):
    assert replace(HOP, **changes).protocol == keyword


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_nothing_a_client_says_adds_a_field(greeting, name, recipient):
    hop = replace(HOP, greeting=greeting, client_name=name, recipient=recipient)
    block = (
        received.received(hop, NOW)
        + received.return_path(recipient)
        + received.delivered_to(recipient)
        + b"\r\n"
    )
    assert [name for name, _ in headers.fields(block)] == [
        b"Received", b"Return-Path", b"Delivered-To",
    ]  # fmt: skip


def test_the_null_sender_has_an_empty_path():
    assert received.return_path("") == b"Return-Path: <>\r\n"


def added(message: bytes) -> bytes:
    return submission.missing_fields(
        message,
        headers.fields(message),
        author_name="Ada L.",
        author="ada@example.com",
        message_id="1@mx",
        now=NOW,
    )


def test_submission_adds_what_is_missing_and_nothing_else():
    assert added(b"Subject: x\r\nDate: \r\n\r\n") == (
        b"Date: Sat, 21 Nov 2026 22:28:07 +0000\r\n"
        b'From: "Ada L." <ada@example.com>\r\nMessage-ID: <1@mx>\r\n'
    )
    assert added(b"date: x\r\nFROM: a@b\r\nMessage-Id: <x>\r\n\r\n") == b""


def test_a_message_without_a_header_gets_one_in_front():
    assert added(b"Hello, world\r\n").endswith(b"Message-ID: <1@mx>\r\n\r\n")
