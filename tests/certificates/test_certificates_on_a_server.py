"""Certificates of a whole running server: ordered, shown by SNI, renewed under open sessions."""

import imaplib
import re
import smtplib
import socket
import ssl
import stat
import subprocess
import time
import urllib.request
from datetime import UTC, datetime

import pytest
from cryptography import x509

from tests import databases
from tests.acme_server import AcmeServer
from tests.authority import Authority, pem
from tests.running import NotStarted, RunningServer

pytestmark = pytest.mark.once

HOST = "mail.shown.example"
# As if two thirds of the lifetime had passed.
MAKE_DUE = (
    "from certificates.models import Certificate\n"
    "Certificate.objects.filter(source='acme').update(renew_at=1)"
)
SETTINGS = """
settings:
  acme:
    is_enabled: true
    agrees_to_terms: true
    directory_url: {}
    contact: postmaster@shown.example
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, database_url):
    """A server whose panel may be asked under one name only, and an ACME server beside it."""
    folder = tmp_path_factory.mktemp("certificates")
    with databases.fresh(database_url) as url:
        server = RunningServer(folder / "data", database_url=url, allowed_hosts="panel.example")
        with AcmeServer(folder, ("127.0.0.1", server.port("http"))) as acme:
            server.environment["REQUESTS_CA_BUNDLE"] = str(acme.ca_path)
            server.start()
            (folder / "acme.yaml").write_text(SETTINGS.format(acme.directory_url))
            server.manage("apply", str(folder / "acme.yaml"))
            yield server, acme
            assert server.stop() == 0


@pytest.fixture
def server(place):
    return place[0]


@pytest.fixture
def acme(place):
    return place[1]


def trusting(authority):
    return ssl.create_default_context(cadata=pem(authority.root).decode())


def untrusting(**values):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in values.items():
        setattr(context, name, value)
    return context


def shown(server, service, name):
    """The certificate that a client sees that asks for `name`."""
    address = ("127.0.0.1", server.port(service))
    with (
        socket.create_connection(address, timeout=10) as plain,
        untrusting().wrap_socket(plain, server_hostname=name) as encrypted,
    ):
        return x509.load_der_x509_certificate(encrypted.getpeercert(binary_form=True))


def wait_until(is_true, seconds=30):
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def shows(server, service, name, certificate):
    return lambda: shown(server, service, name).serial_number == certificate.serial_number


@pytest.mark.spec("N-004", "N-005")
def test_ordered_shown_by_name_and_renewed_while_old_sessions_live_on(server, acme):
    told = server.manage("certificate", "request", HOST)
    assert told.startswith(f"{HOST}: installed, issued by Intermediate, good until 20")
    first = acme.issued[0]
    for service in ("imaps", "submissions", "pop3s", "ldap_tls"):
        wait_until(shows(server, service, HOST, first))
    trust = trusting(acme.authority)

    with (
        socket.create_connection(("127.0.0.1", server.port("imaps")), timeout=30) as plain,
        trust.wrap_socket(plain, server_hostname=HOST) as session,
    ):
        reader = session.makefile("rb")
        assert reader.readline().startswith(b"* OK")
        server.manage("shell", "-c", MAKE_DUE)
        # A change in the folder has the server look now rather than within a minute.
        (server.data / "certificates/.change").touch()
        wait_until(lambda: len(acme.issued) == 2)
        for service in ("imaps", "submissions", "pop3s", "ldap_tls"):
            wait_until(shows(server, service, HOST, acme.issued[-1]))
        session.sendall(b"a NOOP\r\n")
        assert reader.readline().startswith(b"a OK")

    with imaplib.IMAP4("127.0.0.1", server.port("imap")) as imap:
        imap.starttls(untrusting())
        assert imap.sock.getpeercert(binary_form=True)
    listed = server.manage("certificate", "list")
    assert re.search(rf"{HOST} .*Ordered by ACME.*Intermediate", listed)
    path = server.data / f"certificates/{HOST}.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # Others see what they saw before.
    assert shown(server, "imaps", "other.example").issuer != acme.issued[-1].issuer
    assert shown(server, "https", HOST).issuer != acme.issued[-1].issuer


@pytest.mark.spec("N-005")
def test_one_uploaded_for_the_server_s_name_is_shown_to_everybody_and_by_the_panel(
    server, tmp_path
):
    authority = Authority(datetime.now(UTC))
    chain, key = authority.bundle("mail.test", "localhost")
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    before = shown(server, "https", None)
    files = (str(tmp_path / "chain.pem"), str(tmp_path / "key.pem"))
    assert "mail.test: installed" in server.manage("certificate", "install", "mail.test", *files)
    uploaded = x509.load_pem_x509_certificate(chain)
    for service, name in (
        ("https", None), ("https", "whatever.example"), ("imaps", "mail.test"), ("imaps", None),
        ("submissions", "whatever.example"),
    ):  # fmt: skip
        wait_until(shows(server, service, name, uploaded))
    trust = trusting(authority)
    with smtplib.SMTP_SSL("localhost", server.port("submissions"), context=trust) as smtp:
        assert smtp.noop()[0] == 250
    url = f"https://localhost:{server.port('https')}/admin/login/"
    request = urllib.request.Request(url, headers={"Host": "panel.example"})
    assert urllib.request.urlopen(request, timeout=10, context=trust).status == 200

    assert "removed" in server.manage("certificate", "remove", "mail.test")
    for service in ("https", "imaps"):
        wait_until(shows(server, service, None, before))


@pytest.mark.spec("N-005")
def test_what_cannot_be_used_is_refused_by_the_command_in_one_line(server, tmp_path):
    authority = Authority(datetime.now(UTC))
    chain, _ = authority.bundle(HOST)
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(authority.bundle(HOST)[1])
    for arguments, told in (
        (("install", HOST, "chain.pem", "key.pem"), "the private key belongs to another"),
        (("install", HOST, "chain.pem", "none.pem"), "cannot read"),
        (("remove", "none.example"), "there is no certificate for none.example"),
        (("request", "*.shown.example"), "cannot be proven over HTTP"),
        (("request", HOST, "--staging-directory", "http://x/"), "must be an https address"),
    ):
        paths = [str(tmp_path / a) if a.endswith(".pem") else a for a in arguments]
        with pytest.raises(subprocess.CalledProcessError) as failed:
            server.manage("certificate", *paths)
        assert told in failed.value.stderr and failed.value.stderr.count("\n") == 1


@pytest.mark.spec("N-005")
def test_a_broken_file_in_the_folder_harms_neither_panel_nor_listeners(server):
    path = server.data / "certificates/mail.test.pem"
    before = server.pids("serve_web"), server.pids("serve_mail")
    default = shown(server, "https", None)
    path.write_bytes(b"nonsense")
    try:
        wait_until(lambda: 'reason="there is no certificate in PEM form' in server.log)
        time.sleep(2.5)
        for service in ("https", "imaps"):
            assert shows(server, service, None, default)()
        assert (server.pids("serve_web"), server.pids("serve_mail")) == before
    finally:
        path.unlink()


@pytest.mark.spec("N-005")
@pytest.mark.parametrize("service", ["imaps", "submissions", "pop3s", "https"])
def test_tls_1_1_is_refused_and_1_2_needs_a_modern_suite(server, service):
    address = ("127.0.0.1", server.port(service))
    with pytest.warns(DeprecationWarning):
        old = untrusting(
            minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1
        )
    weak = untrusting(maximum_version=ssl.TLSVersion.TLSv1_2)
    old.set_ciphers("ALL:@SECLEVEL=0")
    weak.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256")
    for context in (old, weak):
        with (
            socket.create_connection(address, timeout=10) as plain,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):
            context.wrap_socket(plain, server_hostname="mail.test")
    modern = untrusting(maximum_version=ssl.TLSVersion.TLSv1_2)
    with (
        socket.create_connection(address, timeout=10) as plain,
        modern.wrap_socket(plain, server_hostname="mail.test") as encrypted,
    ):
        assert encrypted.version() == "TLSv1.2" and "GCM" in encrypted.cipher()[0]


def test_a_server_whose_only_certificate_is_broken_says_so_at_the_start(tmp_path):
    server = RunningServer(tmp_path / "data")
    (tmp_path / "data/certificates").mkdir(parents=True)
    (tmp_path / "data/certificates/default.pem").write_bytes(b"nonsense")
    with pytest.raises(NotStarted) as refused:
        server.start()
    assert "there is no certificate in PEM form in it" in str(refused.value)
    assert "Traceback" not in str(refused.value)
