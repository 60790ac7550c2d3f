"""Ordering from a real ACME server and renewing: RFC 8555 with HTTP-01 (N-005)."""

import stat
import threading
from datetime import timedelta

import pytest
from django.db import connection
from structlog.testing import capture_logs

from certificates import files, ordering, renewal, services
from certificates.errors import (
    AcmeOff,
    BetterOneInUse,
    CertificateRefused,
    NotOrderable,
    OrderFailed,
)
from certificates.models import Certificate, Challenge, Source
from certificates.settings import ACME
from clock.moments import utc_now
from events.models import AuditEntry
from tests.acme_server import AcmeServer
from tests.certificates.conftest import switch_on

HOST = "mail.example.com"

pytestmark = pytest.mark.django_db(transaction=True)


def request(host=HOST, **options):
    return renewal.request(host=host, by=None, now=utc_now(), **options)


def make_due():
    """As if two thirds of the lifetime had passed."""
    Certificate.objects.update(renew_at=utc_now())


def serial(host=HOST):
    return files.read(files.path_of(host)).chain[0].serial_number


@pytest.mark.spec("N-005")
def test_a_certificate_is_ordered_proven_over_http_and_installed(acme, folder):
    row = request()
    assert acme.asked == [HOST]
    assert serial() == acme.issued[0].serial_number
    assert (row.source, row.failures, row.last_error) == (Source.ACME, 0, "")
    lifetime = row.not_after - row.not_before
    assert 2 / 3 <= (row.renew_at - row.not_before) / lifetime <= 0.7
    assert not Challenge.objects.exists()
    assert stat.S_IMODE((folder / f"{HOST}.pem").stat().st_mode) == 0o600
    (account,) = acme.accounts.values()
    assert account["document"]["contact"] == ["mailto:postmaster@example.com"]
    assert acme.user_agents == {"MailHost"}


@pytest.mark.spec("N-005")
@pytest.mark.spec("X-034")
def test_one_account_serves_all_orders_by_a_key_that_only_the_server_reads(acme, folder):
    request()
    (key,) = (folder.parent / "keys").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    switch_on(acme, contact="hostmaster@example.com")
    request("imap.example.com")
    assert key.read_bytes() == before
    (account,) = acme.accounts.values()
    assert account["document"]["contact"] == ["mailto:hostmaster@example.com"]


@pytest.mark.spec("N-005")
def test_what_is_due_is_renewed_with_a_new_key_and_nothing_else(acme):
    request()
    make_due()
    request("fresh.example.com")
    before, first = files.read(files.path_of(HOST)), serial()
    assert renewal.renew_due(now=utc_now()) == 1
    after = files.read(files.path_of(HOST))
    assert serial() == acme.issued[-1].serial_number != first
    assert after.key.private_numbers() != before.key.private_numbers()
    assert renewal.renew_due(now=utc_now()) == 0


@pytest.mark.spec("N-005")
def test_of_two_processes_that_renew_at_once_one_orders(acme):
    request()
    make_due()
    now, counts, both = utc_now(), [], threading.Barrier(2)

    def renew():
        both.wait()
        counts.append(renewal.renew_due(now=now))
        connection.close()

    threads = [threading.Thread(target=renew) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(counts) == [0, 1] and len(acme.issued) == 2


@pytest.mark.spec("N-005")
def test_failed_renewals_wait_longer_each_time_and_the_old_certificate_stays(acme):
    request()
    make_due()
    before = serial()
    acme.web = {}
    now = utc_now()
    for failures in (1, 2, 3):
        with capture_logs() as logs:
            assert renewal.renew_due(now=now) == 0
        assert [entry["event"] for entry in logs] == ["certificate was not renewed"]
        row = Certificate.objects.get()
        wait = (row.renew_at - now) / timedelta(hours=1)
        assert 0.9 <= wait / 2 ** (failures - 1) <= 1.1
        assert row.failures == failures
        assert row.last_error == f"the proof over HTTP failed: {HOST}: no such host"
        assert renewal.renew_due(now=now) == 0
        now = row.renew_at
    assert serial() == before and not Challenge.objects.exists()
    assert AuditEntry.objects.filter(verb="could not order certificate").count() == 3
    acme.web = acme.ours
    assert renewal.renew_due(now=now) == 1
    row = Certificate.objects.get()
    assert (row.failures, row.last_error) == (0, "")


def test_a_first_order_that_fails_is_tried_again(acme):
    acme.web = {}
    with pytest.raises(OrderFailed, match="no certificate for mail.example.com: the proof over"):
        request()
    row = Certificate.objects.get()
    assert (row.source, row.not_after, row.failures) == (Source.ACME, None, 1)
    acme.web = acme.ours
    assert renewal.renew_due(now=row.renew_at) == 1


def test_an_order_that_fails_leaves_an_uploaded_certificate_alone(acme, authority):
    now = utc_now()
    chain, key = acme.authority.bundle(HOST)
    services.install(host=HOST, chain_pem=chain, key_pem=key, by=None, now=now)
    acme.web = {}
    with pytest.raises(OrderFailed):
        request()
    row = Certificate.objects.get()
    assert (row.source, row.renew_at, row.last_error) == (Source.UPLOAD, None, "")


@pytest.mark.parametrize(
    ("path", "status", "body", "told"),
    [
        ("/directory", 200, b"<html>", "the ACME server refused"),
        ("/directory", 200, b"[]", "the ACME server"),
        ("/directory", 200, b"{}", "the ACME server"),
        ("/directory", 500, b"", "the ACME server refused"),
        ("/new-account", 200, b"[1]", "the ACME server"),
        ("/new-order", 201, b"{}", "the ACME server"),
        ("/new-order", 201, b'{"authorizations": 5}', "the ACME server"),
        ("/new-order", 429, b'{"type": "urn:ietf:params:acme:error:rateLimited",'
         b' "detail": "too\\u0000 many\\n"}', "too many"),
        ("/authorization", 200, b"{}", "the ACME server"),
        ("/authorization", 200, b'{"status": "pending", "identifier": {"type": "dns", "value":'
         b' "x"}, "challenges": [{"type": "dns-01", "url": "https://x", "token": "'
         b'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",'
         b' "status": "pending"}]}', "no proof over HTTP"),
        ("/challenge", 200, b"{}", "the ACME server"),
        ("/finalize", 403, b'{"type": "urn:ietf:params:acme:error:badCSR", "detail": "no"}', "no"),
        ("/certificate", 200, b"nonsense", "no certificate in PEM form"),
    ],
)  # fmt: skip
def test_whatever_the_server_answers_is_told_and_nothing_else_happens(
    acme, path, status, body, told
):
    acme.break_with = {path: (status, body)}
    with pytest.raises((OrderFailed, CertificateRefused)) as failed:
        request()
    assert told in str(failed.value) and str(failed.value).isprintable()
    assert len(str(failed.value)) < 600
    assert not Challenge.objects.exists()
    assert Certificate.objects.get().last_error


def test_a_certificate_for_another_host_is_not_installed(acme, folder):
    acme.authority.issue = _for_another(acme.authority.issue)
    with pytest.raises(CertificateRefused, match="not for mail.example.com"):
        request()
    assert list(folder.iterdir()) == []


def _for_another(issue):
    return lambda *hosts, **details: issue("other.example.com", **details)


def test_a_server_that_cannot_be_reached_or_trusted_is_told(acme, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(OrderFailed, match="cannot be reached: .*certificate"):
        request()
    assert acme.accounts == {}


def test_a_refused_nonce_is_tried_once_more(acme):
    acme.spoil_nonces = 1
    request()
    assert len(acme.issued) == 1


def test_a_fault_of_ours_costs_one_certificate_and_not_the_others(acme, monkeypatch):
    for host in ("a.example.com", "b.example.com"):
        services.ask_for(host=host, by=None, now=utc_now())
    real = ordering.order

    def order(host, **details):
        if host.startswith("a."):
            raise RuntimeError("bug")
        return real(host, **details)

    monkeypatch.setattr(ordering, "order", order)
    with capture_logs() as logs:
        assert renewal.renew_due(now=utc_now()) == 1
    assert logs[0]["event"] == "certificate was not renewed by a fault of ours"
    assert Certificate.objects.get(host="a.example.com").last_error == "RuntimeError('bug')"


def test_nothing_is_ordered_while_it_is_off_or_for_wildcards(acme):
    with pytest.raises(NotOrderable):
        request("*.example.com")
    ACME.change({"is_enabled": False}, by=None)
    with pytest.raises(AcmeOff):
        request()
    assert acme.accounts == {} and not Certificate.objects.exists()


def test_a_trial_goes_to_its_own_server_also_at_renewals(acme, tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("trial")
    with AcmeServer(folder, acme.web) as trial:
        both = folder / "both.pem"
        both.write_bytes(acme.ca_path.read_bytes() + trial.ca_path.read_bytes())
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(both))
        row = request(trial_directory=trial.directory_url)
        assert (len(trial.issued), len(acme.issued)) == (1, 0)
        assert renewal.renew_due(now=row.renew_at) == 1
        assert (len(trial.issued), len(acme.issued)) == (2, 0)
        request()
        assert (len(trial.issued), len(acme.issued)) == (2, 1)
        assert Certificate.objects.get().directory_url == ""
        with pytest.raises(BetterOneInUse, match="has a certificate of Intermediate"):
            request(trial_directory=trial.directory_url)
