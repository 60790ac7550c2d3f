"""Who wants reports on TLS, and what they hold."""

import gzip
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import tlsreport
from protocols.tlsreport import Ended, Report


@given(st.lists(st.text(max_size=80) | st.text(max_size=60).map("v=TLSRPTv1; rua={}".format)))
def test_any_texts_are_uris_or_none(texts):
    for uri in tlsreport.wanted_by(texts):
        assert tlsreport.is_web(uri) or tlsreport.mail_address(uri)


@pytest.mark.parametrize(
    ("texts", "uris"),
    [
        (
            ["v=TLSRPTv1; rua=mailto:reports@example.com"],  # RFC 8460 §3.2
            ("mailto:reports@example.com",),
        ),
        (
            ["v=TLSRPTv1;rua=https://reporting.example.com/v1/tlsrpt , mailto:a@b.test"],
            ("https://reporting.example.com/v1/tlsrpt", "mailto:a@b.test"),
        ),
        (["v=TLSRPTv1; rua=http://a.test/"], ()),
        (["v=TLSRPTv1; rua=mailto:a@b.test%0d%0aBcc:x@y.test"], ()),
        (["v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1; rua=mailto:c@b.test"], ()),
        (["v=spf1 -all"], ()),
    ],
)
def test_who_asks_for_reports(texts, uris):
    assert tlsreport.wanted_by(texts) == uris


def test_the_form_of_the_standard():
    """RFC 8460 §4.4."""
    lines = ("version: STSv1", "mode: testing", "mx: *.far.test", "max_age: 86400")
    report = Report(
        date(2026, 1, 5),
        "far.test",
        "mx.here.test",
        "postmaster@here.test",
        (
            Ended("sts", lines, "mx.far.test", "192.0.2.1", "", 5),
            Ended("sts", lines, "mx.far.test", "192.0.2.1", "certificate-expired", 2),
            Ended("no-policy-found", (), "mx.far.test", "192.0.2.1", "", 1),
        ),
    )
    found = json.loads(gzip.decompress(report.encode()))
    assert found["date-range"] == {
        "start-datetime": "2026-01-05T00:00:00Z",
        "end-datetime": "2026-01-05T23:59:59Z",
    }
    sts, none = found["policies"]
    assert sts["policy"] == {
        "policy-type": "sts",
        "policy-domain": "far.test",
        "policy-string": list(lines),
        "mx-host": ["*.far.test"],
    }
    assert sts["summary"] == {
        "total-successful-session-count": 5,
        "total-failure-session-count": 2,
    }
    assert sts["failure-details"] == [
        {
            "result-type": "certificate-expired",
            "receiving-mx-hostname": "mx.far.test",
            "receiving-ip": "192.0.2.1",
            "failed-session-count": 2,
        }
    ]
    assert "failure-details" not in none
