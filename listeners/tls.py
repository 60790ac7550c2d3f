"""Certificates of the listeners: a self-made default, one for each host, read anew when changed."""

from __future__ import annotations

import asyncio.sslproto
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certificates.names import DEFAULT, stems_for
from certificates.terms import server_context

log = structlog.get_logger(__name__)

_SELF_SIGNED_DAYS = 3650

# An idle TLS session would hold 256 KiB for records that are 16 KiB at most.
asyncio.sslproto.SSLProtocol.max_size = 16 * 1024


class Certificates:
    """The PEM files of one directory, `<host name>.pem`, each a private key with its chain.

    Clients that name no host or an unknown one see the certificate of `hostname`, or else
    `default.pem` (N-004). A certificate for `*.example.com` lies in `_.example.com.pem`.
    """

    def __init__(self, directory: Path, hostname: str = "") -> None:
        self._directory = directory
        self._hostname = hostname
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._hosts: Mapping[str, Sequence[str]] = {}
        self._fronts = {"": self._make_front("")}

    @property
    def context(self) -> ssl.SSLContext:
        """For the server's side of every TLS connection; stays right after `reload`."""
        return self._fronts[""]

    def context_on(self, ip: str) -> ssl.SSLContext:
        """The same for connections to that address of ours; see `belong`."""
        if ip not in self._hosts:
            return self.context
        if ip not in self._fronts:
            self._fronts[ip] = self._make_front(ip)
        return self._fronts[ip]

    def belong(self, hosts: Mapping[str, Sequence[str]]) -> None:
        """By which names the server is known on addresses that domains have for themselves.

        There a client that names no host sees their certificate, where there is one (D-033).
        """
        self._hosts = hosts
        self._fronts = {ip: made for ip, made in self._fronts.items() if not ip or ip in hosts}

    def _make_front(self, ip: str) -> ssl.SSLContext:
        """The context that listeners hold for ever.

        It has no certificate: OpenSSL would keep one of each key type, so that an old one could
        outlive its file.
        """
        front = server_context()
        front.sni_callback = partial(self._choose, ip)
        return front

    @property
    def is_available(self) -> bool:
        return self._find("") is not None

    def make_default(self, hostname: str, *, now: datetime) -> None:
        """Write a self-signed default certificate if there is none yet."""
        path = self._directory / f"{DEFAULT}.pem"
        if path.exists():
            return
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_bytes(self_signed(hostname, now=now))
        fresh.replace(path)

    def reload(self) -> None:
        """Take in what changed in the directory. A broken file is reported and passed over."""
        found = {path.stem: path for path in sorted(self._directory.glob("*.pem"))}
        for name in self._stamps.keys() - found.keys():
            self._stamps.pop(name)
            self._contexts.pop(name, None)
        for name, path in found.items():
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._stamps.get(name) != stamp:
                self._stamps[name] = stamp
                self._load(name, path)

    def _load(self, name: str, path: Path) -> None:
        context = server_context()
        try:
            context.load_cert_chain(path)
        except (ssl.SSLError, OSError) as error:
            log.error("certificate cannot be read", name=name, error=str(error))
            return
        self._contexts[name] = context

    def _choose(
        self,
        ip: str,
        connection: ssl.SSLObject | ssl.SSLSocket,
        name: str | None,
        _: ssl.SSLContext,
    ) -> None:
        """Called in every handshake, with the name if the client names one. RFC 6066 §3."""
        context = self._find((name or "").lower().rstrip("."), ip)
        if context is not None:
            connection.context = context

    def _find(self, name: str, ip: str = "") -> ssl.SSLContext | None:
        for host in (name, *self._hosts.get(ip, ()), self._hostname):
            for stem in stems_for(host):
                if stem in self._contexts:
                    return self._contexts[stem]
        return self._contexts.get(DEFAULT)


def self_signed(hostname: str, *, now: datetime) -> bytes:
    """A private key and a certificate for `hostname` and localhost, as one PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    # X.520 allows 64 characters in a common name; clients look at the alternative names anyway.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(hostname)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _names(hostname: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [
        x509.DNSName(name) for name in dict.fromkeys((hostname, "localhost"))
    ]
    return names + [x509.IPAddress(ip_address(ip)) for ip in ("127.0.0.1", "::1")]
