"""Daily reports on TLS, by mail and by HTTPS."""

import gzip
import json
import ssl
import threading
from datetime import timedelta
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme
from django.conf import settings as conf
from django.db import OperationalError

from blobs.committer import stop_process_committer
from blobs.store import locate, read_body
from clock.moments import utc_now
from spool.acceptance import Acceptance
from spool.agents.tls import TlsProblem
from spool.models import Kind, SpooledMessage
from tests.dns_server import ThreadedDnsServer
from transport import counting, reporting
from transport.counting import Counter, PolicyType, Subject
from transport.models import TlsReport, TlsResult
from transport.settings import TRANSPORT
from zones.lookup import Lookup

pytestmark = [pytest.mark.django_db, pytest.mark.spec("S-055")]

SUBJECT = Subject("far.test", PolicyType.NONE, (), "mx.far.test", "192.0.2.1")
DAY = timedelta(days=1)


@pytest.fixture
def committer():
    """For tests that write mail; its thread ends with them."""
    yield
    stop_process_committer()


@pytest.fixture
def asked():
    """A DNS server on which a test says who wants reports."""
    with ThreadedDnsServer({}) as server:
        server.lookup = lambda: Lookup([server.address])
        yield server


def die(jobs, cursor):
    raise OperationalError("the process is killed while the rows are being written")


def want(server, *uris):
    server.records["_smtp._tls.far.test", "TXT"] = [f'"v=TLSRPTv1; rua={",".join(uris)}"']


def count(now, **ends):
    """So many sessions by the problem they ended with; `fine` those without."""
    counts = {(now.date(), SUBJECT, name): number for name, number in ends.items()}
    counting.add({(day, s, "" if n == "fine" else n): v for (day, s, n), v in counts.items()})


def test_counts_of_all_processes_come_together():
    counters = [Counter(), Counter()]
    for counter in counters:
        counter.count(SUBJECT, None)
        counter.count(SUBJECT, None)
        counter.count(SUBJECT, TlsProblem.EXPIRED)
        counter.write()
    assert counters[0].write() == 0
    rows = TlsResult.objects.order_by("problem").values_list("problem", "sessions")
    assert list(rows) == [("", 4), ("certificate-expired", 2)]


def test_counts_are_kept_while_the_database_refuses(monkeypatch):
    counter = Counter()
    counter.count(SUBJECT, None)
    with monkeypatch.context() as broken:
        broken.setattr(counting, "add", lambda _counts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            counter.write()
    assert counter.write() == 1


@pytest.mark.django_db(transaction=True)
def test_a_day_that_is_over_is_reported_once_by_mail(asked, monkeypatch, committer):
    want(asked, "mailto:tls@far.test")
    now = utc_now()
    count(now, fine=3, **{"certificate-expired": 1})
    assert reporting.report_due(now=now, lookup=asked.lookup()) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Acceptance, "write_rows", staticmethod(die))
        assert reporting.report_due(now=now + DAY, lookup=asked.lookup()) == 0
    assert TlsReport.objects.get().sent_at is None, "marked, and yet nothing was sent"
    for _ in range(2):
        reporting.report_due(now=now + DAY, lookup=asked.lookup())
    count(now, fine=1)  # a process that wrote late
    reporting.report_due(now=now + DAY, lookup=asked.lookup())
    [sent] = SpooledMessage.objects.filter(kind=Kind.REPORT)
    assert [one.address for one in sent.recipients.all()] == ["tls@far.test"]
    location = locate([sent.blob_id])[sent.blob_id]
    made = message_from_bytes(read_body(location, 0, location.size_bytes))
    assert made.get_content_type() == "multipart/report"
    assert made.get_param("report-type") == "tlsrpt"
    assert made["TLS-Report-Domain"] == "far.test"
    body = made.get_payload()[1]
    assert body.get_content_type() == "application/tlsrpt+gzip"
    report = json.loads(gzip.decompress(body.get_payload(decode=True)))
    assert report["date-range"]["start-datetime"] == f"{now:%Y-%m-%d}T00:00:00Z"
    assert report["policies"][0]["summary"]["total-failure-session-count"] == 1
    assert not TlsResult.objects.exists()


def test_who_does_not_ask_gets_nothing_and_is_forgotten(asked):
    now = utc_now()
    count(now, fine=3)
    assert reporting.report_due(now=now + DAY, lookup=asked.lookup()) == 0
    assert not SpooledMessage.objects.exists()
    assert not TlsResult.objects.exists()


def test_no_reports_leave_a_server_that_sends_none(asked):
    want(asked, "mailto:tls@far.test")
    TRANSPORT.change({"send_reports": False}, by=None)
    now = utc_now()
    count(now, fine=3)
    reporting.report_due(now=now + DAY, lookup=asked.lookup())
    assert not SpooledMessage.objects.exists()
    assert not TlsResult.objects.exists()


@pytest.fixture
def web(tmp_path, monkeypatch):
    """An HTTPS server that takes reports; the status it answers with may be set."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.taken.append((self.headers["Content-Type"], body))
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Taker)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.taken, server.status = [], 201
    server.uri = f"https://127.0.0.1:{server.server_port}/tls"
    real = reporting.post
    monkeypatch.setattr(reporting, "leads_outside", lambda _uri: True)
    monkeypatch.setattr(reporting, "post", lambda uri, body: real(uri, body, authorities=str(path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_reports_go_by_https_and_are_tried_again(asked, web):
    want(asked, web.uri)
    now = utc_now()
    count(now, fine=3)
    web.status = 503
    assert reporting.report_due(now=now + DAY, lookup=asked.lookup()) == 0
    assert "503" in TlsReport.objects.get().last_error
    web.status = 201
    assert reporting.report_due(now=now + DAY, lookup=asked.lookup()) == 1
    kind, body = web.taken[-1]
    assert kind == "application/tlsrpt+gzip"
    assert json.loads(gzip.decompress(body))["organization-name"] == conf.MAILHOST_HOSTNAME


def test_a_report_that_a_killed_process_was_posting_is_posted_by_the_next(asked, web, monkeypatch):
    want(asked, web.uri)
    now = utc_now()
    count(now, fine=3)
    with monkeypatch.context() as patch:
        patch.setattr(reporting, "post", lambda _uri, _body: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reporting.report_due(now=now + DAY, lookup=asked.lookup())
    # It may still be at it; nothing is forgotten meanwhile.
    assert reporting.report_due(now=now + DAY, lookup=asked.lookup()) == 0
    assert reporting.report_due(now=now + 1.1 * DAY, lookup=asked.lookup()) == 1
    assert reporting.report_due(now=now + 1.1 * DAY, lookup=asked.lookup()) == 0
    assert len(web.taken) == 1


def test_what_cannot_be_sent_is_let_go_in_the_end(asked, web):
    want(asked, web.uri)
    now = utc_now()
    count(now, fine=3)
    web.status = 503
    reporting.report_due(now=now + DAY, lookup=asked.lookup())
    assert TlsResult.objects.exists()
    reporting.report_due(now=now + 2 * DAY, lookup=asked.lookup())
    assert not TlsResult.objects.exists()


@pytest.mark.parametrize("uri", ["https://127.0.0.1/", "https://[::1]:8443/", "https://10.1.2.3/"])
def test_reports_never_go_to_machines_of_the_inner_network(uri):
    with pytest.raises(reporting.NotSent, match="not public"):
        reporting.post(uri, b"")
