"""A certificate authority for tests: chains of every kind, good and bad."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def pem(*chain) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in chain)


class Authority:
    """A root and an intermediate that signs; both last for ten years around `now`."""

    def __init__(self, now: datetime = MONDAY) -> None:
        self.now = now
        self.root_key, self.key = new_key(), new_key()
        span = {"begins": now - 1000 * DAY, "ends": now + 2650 * DAY}
        self.root = self._sign("Root", self.root_key.public_key(), is_ca=True, **span)
        self.intermediate = self._sign(
            "Intermediate", self.key.public_key(), is_ca=True, issuer=self.root,
            issuer_key=self.root_key, **span,
        )  # fmt: skip

    def issue(self, *hosts, public_key, begins=None, ends=None, purposes=(), **certificate):
        begins = begins or self.now - DAY
        return self._sign(
            hosts[0] if hosts else "nobody",
            public_key,
            hosts=hosts,
            issuer=certificate.pop("issuer", self.intermediate),
            issuer_key=certificate.pop("issuer_key", self.key),
            begins=begins,
            ends=ends or begins + 90 * DAY,
            purposes=purposes or (ExtendedKeyUsageOID.SERVER_AUTH,),
        )

    def bundle(self, *hosts, key=None, **certificate) -> tuple[bytes, bytes]:
        """(chain, key) in PEM."""
        key = key or new_key()
        leaf = self.issue(*hosts, public_key=key.public_key(), **certificate)
        return pem(leaf, self.intermediate), key_pem(key)

    def _sign(
        self, name, public_key, *, begins, ends, hosts=(), is_ca=False, issuer=None,
        issuer_key=None, purposes=(),
    ):  # fmt: skip
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        issuer_key = issuer_key or self.root_key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
            )
            .add_extension(
                x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False),
                critical=True,
            )
        )
        if hosts:
            names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        digest = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        return builder.sign(issuer_key, digest)
