"""Certificates: the default, one for each host, changes while running (N-004, N-005)."""

import socket
import ssl
import threading
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from listeners.tls import Certificates, self_signed
from tests.authority import Authority

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def certificates(tmp_path):
    made = Certificates(tmp_path)
    made.make_default("mx.test", now=NOW)
    made.reload()
    return made


def shown(certificates, name, **client):
    """The certificate's first name and the TLS version that a client sees; asks for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for key, value in client.items():
        setattr(context, key, value)
    ours, theirs = socket.socketpair()
    seen = {}

    def connect():
        try:
            with context.wrap_socket(theirs, server_hostname=name) as wrapped:
                seen["der"] = wrapped.getpeercert(binary_form=True)
                seen["version"] = wrapped.version()
        except (ssl.SSLError, OSError) as error:
            seen["error"] = error

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        with certificates.context.wrap_socket(ours, server_side=True) as wrapped:
            wrapped.recv(1)
    except (ssl.SSLError, OSError):
        ours.close()
    thread.join(10)
    if "error" in seen:
        raise seen["error"]
    certificate = x509.load_der_x509_certificate(seen["der"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)[0], seen["version"]


def place(directory, name):
    (directory / f"{name}.pem").write_bytes(self_signed(name.replace("_", "any"), now=NOW))


@pytest.mark.spec("N-004")
def test_a_server_begins_with_a_certificate_of_its_own_making(tmp_path, certificates):
    assert certificates.is_available
    assert shown(certificates, "other.test") == ("mx.test", "TLSv1.3")
    assert (tmp_path / "default.pem").stat().st_mode & 0o077 == 0
    before = (tmp_path / "default.pem").read_bytes()
    certificates.make_default("mx.test", now=NOW)
    assert (tmp_path / "default.pem").read_bytes() == before


@pytest.mark.spec("N-004")
def test_the_name_that_the_client_asks_for_chooses_the_certificate(tmp_path, certificates):
    place(tmp_path, "mail.example.com")
    place(tmp_path, "_.example.org")
    certificates.reload()
    assert shown(certificates, "mail.example.com")[0] == "mail.example.com"
    assert shown(certificates, "imap.example.org")[0] == "any.example.org"
    assert shown(certificates, "a.b.example.org")[0] == "mx.test"
    assert shown(certificates, None)[0] == "mx.test"


@pytest.mark.spec("N-005")
def test_changed_and_removed_files_are_noticed_without_restart(tmp_path, certificates):
    context = certificates.context
    place(tmp_path, "mail.example.com")
    certificates.reload()
    (tmp_path / "mail.example.com.pem").unlink()
    (tmp_path / "default.pem").write_bytes(self_signed("renewed.test", now=NOW))
    certificates.reload()
    assert certificates.context is context
    assert shown(certificates, "mail.example.com")[0] == "renewed.test"


@pytest.mark.spec("N-005")
def test_a_default_with_another_kind_of_key_leaves_nothing_of_the_old_one(tmp_path, certificates):
    chain, key = Authority(NOW).bundle("rsa.test", key=rsa.generate_private_key(65537, 2048))
    (tmp_path / "default.pem").write_bytes(key + chain)
    certificates.reload()
    assert shown(certificates, None)[0] == "rsa.test"


@pytest.mark.spec("N-004")
def test_clients_without_a_name_see_the_server_s_own_host_name(tmp_path):
    certificates = Certificates(tmp_path, "mx.test")
    certificates.make_default("unknown.test", now=NOW)
    place(tmp_path, "mx.test")
    certificates.reload()
    assert shown(certificates, None)[0] == "mx.test"
    assert shown(certificates, "other.test")[0] == "mx.test"
    (tmp_path / "mx.test.pem").unlink()
    certificates.reload()
    assert shown(certificates, None)[0] == "unknown.test"


@pytest.mark.spec("N-004")
def test_nothing_is_shown_without_any_certificate(tmp_path):
    certificates = Certificates(tmp_path, "mx.test")
    certificates.reload()
    assert not certificates.is_available
    with pytest.raises((ssl.SSLError, OSError)):
        shown(certificates, "mx.test")


@pytest.mark.spec("N-005")
def test_a_broken_file_leaves_what_was_there(tmp_path, certificates):
    (tmp_path / "default.pem").write_text("nonsense")
    (tmp_path / "mail.example.com.pem").write_text("nonsense")
    certificates.reload()
    assert shown(certificates, "mail.example.com")[0] == "mx.test"


@pytest.mark.spec("N-005")
def test_tls_below_1_2_is_refused(certificates):
    old = {"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_1}
    with pytest.warns(DeprecationWarning), pytest.raises((ssl.SSLError, OSError)):
        shown(certificates, "mx.test", **old)
    assert shown(certificates, "mx.test", maximum_version=ssl.TLSVersion.TLSv1_2)[1] == "TLSv1.2"
