"""Which certificate a client sees that names no host, by the address that it has called."""

import socket
import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509

from domains import services
from listeners.endpoints import names_by_address
from listeners.tls import self_signed
from tests.factories import make_domain
from tests.listeners.running import PLAIN, TLS


def shown(connection, name=None):
    """The first name in the certificate that is shown to who asks for that name, or for none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(connection, server_hostname=name) as wrapped:
        certificate = x509.load_der_x509_certificate(wrapped.getpeercert(binary_form=True))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)[0]


@pytest.mark.spec("D-033")
def test_the_address_of_a_domain_chooses_the_certificate_where_no_host_is_named(
    smtp, talk, world, tmp_path
):
    services.change_options(domain=world.domain, options={"listen_ip": TLS.ip}, by=None)
    two = make_domain("two.test")
    services.change_options(domain=two, options={"listen_ip": TLS.ip}, by=None)
    for name in ("mail.example.com", "mail.two.test"):
        path = tmp_path / "certificates" / f"{name}.pem"
        path.write_bytes(self_signed(name, now=datetime.now(UTC)))
    smtp.certificates.reload()

    def by_tls(name=None):
        return shown(socket.create_connection((TLS.ip, smtp.ports["tls"]), timeout=10), name)

    assert by_tls() == "mx.test"
    smtp.certificates.belong(names_by_address())
    assert [by_tls(), by_tls("no.such.test")] == ["mail.example.com", "mail.example.com"]
    assert by_tls("mail.two.test") == "mail.two.test"
    assert PLAIN.ip not in names_by_address()
    for ip, expected in ((TLS.ip, "mx.test"), (PLAIN.ip, "mail.two.test")):
        services.change_options(domain=two, options={"listen_ip": ip}, by=None)
        smtp.certificates.belong(names_by_address())
        one = talk()
        one.hello()
        assert one.say("STARTTLS").startswith("220")
        assert shown(one.socket) == expected
    smtp.certificates.belong({})
    assert by_tls() == "mx.test"
