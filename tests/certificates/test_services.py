"""Installing, removing, watching: files, rows, audit and notes (N-005)."""

import os
import stat

import pytest
from structlog.testing import capture_logs

from certificates import challenges, expiry, files, keeping, services
from certificates.errors import (
    AcmeOff,
    CertificateRefused,
    CertificateUnknown,
    DefaultNeeded,
    NotOrderable,
)
from certificates.models import Certificate, Challenge, Source
from certificates.settings import ACME
from domains.errors import NameMalformed, ValuesRefused
from events.models import AuditEntry
from listeners.tls import self_signed
from switchboard.models import Change
from switchboard.topics import Topic
from tests.authority import DAY, MONDAY, key_pem, new_key

HOST = "mail.example.com"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh(folder):
    ACME.forget()
    yield
    ACME.forget()


def install(authority, host=HOST, now=MONDAY, names=(), **certificate):
    chain, key = authority.bundle(*(names or [host]), **certificate)
    return services.install(host=host, chain_pem=chain, key_pem=key, by=None, now=now)


def verbs():
    return list(AuditEntry.objects.order_by("id").values_list("verb", "object_name"))


@pytest.mark.spec("N-005")
@pytest.mark.spec("X-034")
def test_an_uploaded_certificate_lies_in_a_file_that_only_the_server_reads(authority, folder):
    umask = os.umask(0)
    try:
        chain, key = authority.bundle(HOST)
        row = services.install(
            host=" Mail.Example.COM. ", chain_pem=chain, key_pem=key, by=None, now=MONDAY
        )
    finally:
        os.umask(umask)
    path = folder / f"{HOST}.pem"
    assert path.read_bytes() == key + chain
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in folder.iterdir()] == [path.name]
    assert (row.host, row.source, row.issuer) == (HOST, Source.UPLOAD, "Intermediate")
    assert (row.not_after, row.renew_at) == (MONDAY + 89 * DAY, None)
    assert verbs() == [("installed certificate", HOST)]
    assert Change.objects.get().topic == Topic.SETTINGS
    secret = key.splitlines()[1].decode()
    kept = [*Certificate.objects.values(), *AuditEntry.objects.values(), *Change.objects.values()]
    assert secret not in repr(kept)


@pytest.mark.spec("N-005")
def test_a_refused_certificate_leaves_everything_as_it_was(authority, folder):
    install(authority)
    before = (folder / f"{HOST}.pem").read_bytes(), list(Certificate.objects.values())
    chain, _ = authority.bundle(HOST)
    for bad in ((chain, key_pem(new_key())), (b"", b""), authority.bundle("other.example.com")):
        with pytest.raises(CertificateRefused):
            services.install(host=HOST, chain_pem=bad[0], key_pem=bad[1], by=None, now=MONDAY)
    for name in ("../../etc/x", "a/b.example.com", "-x.example.com", "", "*", "*.*.com", "x\0.com"):
        with pytest.raises(NameMalformed):
            install(authority, host=name, names=[HOST])
    assert ((folder / f"{HOST}.pem").read_bytes(), list(Certificate.objects.values())) == before


def test_a_wildcard_has_a_file_name_without_star(authority, folder):
    install(authority, host="*.example.com")
    assert (folder / "_.example.com.pem").exists()
    keeping.take_in(now=MONDAY)
    assert Certificate.objects.get().host == "*.example.com"


def test_removing_takes_file_and_row(authority, folder):
    install(authority)
    services.remove(host=HOST, by=None)
    assert list(folder.iterdir()) == [] and not Certificate.objects.exists()
    with pytest.raises(CertificateUnknown):
        services.remove(host=HOST, by=None)
    with pytest.raises(DefaultNeeded):
        services.remove(host="default", by=None)


@pytest.mark.spec("N-005")
def test_files_that_operators_place_by_hand_are_known_too(authority, folder):
    (folder / "default.pem").write_bytes(self_signed("mx.test", now=MONDAY))
    (folder / f"{HOST}.pem").write_bytes(b"".join(reversed(authority.bundle(HOST))))
    (folder / "broken.example.com.pem").write_bytes(b"nonsense")
    keeping.take_in(now=MONDAY)
    rows = {row.host: row for row in Certificate.objects.all()}
    assert {host: row.issuer for host, row in rows.items()} == {
        "default": "mx.test", HOST: "Intermediate", "broken.example.com": "",
    }  # fmt: skip
    assert {row.source for row in rows.values()} == {Source.FILE}
    assert "no certificate" in rows["broken.example.com"].last_error
    entries = verbs()
    keeping.take_in(now=MONDAY)
    assert verbs() == entries
    for path in folder.iterdir():
        path.unlink()
    keeping.take_in(now=MONDAY)
    assert not Certificate.objects.exists()


def test_a_file_replaced_by_hand_is_no_longer_renewed(authority, folder):
    install(authority)
    Certificate.objects.update(source=Source.ACME, renew_at=MONDAY)
    chain, key = authority.bundle(HOST)
    (folder / f"{HOST}.pem").write_bytes(key + chain)
    keeping.take_in(now=MONDAY)
    row = Certificate.objects.get()
    assert (row.source, row.renew_at) == (Source.FILE, None)


def test_a_missing_file_of_an_upload_is_told_once(authority, folder):
    install(authority)
    (folder / f"{HOST}.pem").unlink()
    with capture_logs() as logs:
        keeping.take_in(now=MONDAY)
        keeping.take_in(now=MONDAY)
    assert [entry["reason"] for entry in logs] == [keeping.MISSING]
    assert expiry.worries(now=MONDAY) == [f"{HOST}: {keeping.MISSING}"]


@pytest.mark.spec("N-005")
def test_the_end_is_warned_of_at_21_7_and_1_days_in_log_and_audit_once_each(authority):
    ends = install(authority).not_after
    with capture_logs() as logs:
        for left in (30, 21, 20, 7, 6, 1, 0.5, 0, -1):
            expiry.warn(now=ends - left * DAY)
            expiry.warn(now=ends - left * DAY)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("certificate will expire", "warning")
    ] * 3 + [("certificate expired", "error")]
    assert [verb for verb, _ in verbs()][1:] == [
        "warned that it expires in 21 days",
        "warned that it expires in 7 days",
        "warned that it expires in 1 day",
        f"warned that it expired on {ends:%Y-%m-%d}",
    ]
    install(authority, now=ends, begins=ends - DAY, ends=ends + 20 * DAY)
    with capture_logs() as logs:
        expiry.warn(now=ends)
    assert len(logs) == 1


def test_a_certificate_that_is_renewed_in_time_is_not_warned_of(authority):
    row = install(authority, ends=MONDAY + 5 * DAY)
    Certificate.objects.update(source=Source.ACME, renew_at=MONDAY + 3 * DAY)
    with capture_logs() as logs:
        expiry.warn(now=MONDAY + DAY)
        assert logs == [] and expiry.worries(now=MONDAY + DAY) == []
        expiry.warn(now=MONDAY + 4.2 * DAY)  # nobody has ordered: it was switched off, perhaps
        assert len(logs) == 1 and row.not_after
    Certificate.objects.update(failures=1, last_error="refused", warned_days=None)
    assert expiry.worries(now=MONDAY + DAY) == [f"{HOST}: expires in 4 days; refused"]


def test_what_is_asked_for_is_due_as_soon_as_ordering_is_on():
    with pytest.raises(AcmeOff):
        services.ask_for(host=HOST, by=None, now=MONDAY)
    ACME.change({"is_enabled": True, "agrees_to_terms": True}, by=None)
    services.ask_for(host=HOST, by=None, now=MONDAY)
    with pytest.raises(NotOrderable):
        services.ask_for(host="*.example.com", by=None, now=MONDAY)
    assert [row.host for row in services.due_for_renewal(now=MONDAY)] == [HOST]
    assert services.due_for_renewal(now=MONDAY - DAY) == []
    ACME.change({"is_enabled": False}, by=None)
    assert services.due_for_renewal(now=MONDAY) == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"is_enabled": True}, "agrees_to_terms"),
        ({"directory_url": "http://acme.example/directory"}, "directory_url"),
        ({"directory_url": "https://[broken"}, "directory_url"),
        ({"contact": "nobody"}, "contact"),
        ({"contact": "a@b.example,c@d.example"}, "contact"),
    ],
)
def test_settings_that_no_authority_would_take_are_refused(values, field):
    with pytest.raises(ValuesRefused) as refused:
        ACME.change(values, by=None)
    assert [problem.field for problem in refused.value.problems] == [field]


def test_nothing_is_ordered_from_the_factory():
    assert not ACME.load().is_enabled and not ACME.load().agrees_to_terms


@pytest.mark.spec("N-005")
def test_challenges_are_answered_under_every_host_name_and_forgotten_later(client, settings):
    settings.ALLOWED_HOSTS = ["panel.example.com"]
    path = "/.well-known/acme-challenge/"
    challenges.offer("tok-en_1", "tok-en_1.thumb", now=MONDAY)
    answer = client.get(f"{path}tok-en_1", headers={"host": HOST})
    assert (answer.status_code, answer.content) == (200, b"tok-en_1.thumb")
    assert answer["Content-Type"] == "application/octet-stream"
    for unknown in ("other", "", "..%2f", "x" * 5000, "%00"):
        assert client.get(path + unknown, headers={"host": HOST}).status_code == 404
    assert client.post(f"{path}tok-en_1").status_code == 405
    keeping.keep(now=MONDAY + DAY)
    assert not Challenge.objects.exists()


def test_the_host_s_own_file_comes_before_the_default_for_clients_without_name(authority, folder):
    default = folder / "default.pem"
    default.write_bytes(self_signed("mx.test", now=MONDAY))
    assert files.shown_without_name(HOST) == default
    install(authority, host="*.example.com")
    assert files.shown_without_name(HOST).name == "_.example.com.pem"
    install(authority)
    assert files.shown_without_name(HOST).name == f"{HOST}.pem"
    (folder / f"{HOST}.pem").write_bytes(b"nonsense")
    assert files.shown_without_name(HOST).name == "_.example.com.pem"
    for path in folder.iterdir():
        path.write_bytes(b"nonsense")
    with pytest.raises(CertificateRefused):
        files.shown_without_name(HOST)
