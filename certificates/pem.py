"""Certificates and keys as people hand them in: read, and checked before a client sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certificates.errors import CertificateRefused

LONGEST_BYTES = 100_000
LONGEST_CHAIN = 10
LONGEST_ISSUER = 200
# What OpenSSL (listeners) and rustls (panel) both take. RFC 9325 §4.1: 2048 bits at least.
LEAST_RSA_BITS = 2048
CURVES = (ec.SECP256R1, ec.SECP384R1)

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

# What `cryptography` raises for bytes that are not what they say they are.
_MALFORMED = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    x509.AttributeNotFound,
)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\uffff]")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A key with the chain of its certificate, the host's own first."""

    key: Key
    chain: tuple[x509.Certificate, ...]
    names: tuple[str, ...]  # host names it is good for, in lower case
    issuer: str
    not_before: datetime
    not_after: datetime
    fingerprint: str

    @property
    def is_self_signed(self) -> bool:
        return self.chain[0].issuer == self.chain[0].subject

    def encode(self) -> bytes:
        """One PEM, private key first, whatever stood around the blocks that were handed in."""
        private = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return private + b"".join(each.public_bytes(Encoding.PEM) for each in self.chain)

    def covers(self, host: str) -> bool:
        """RFC 9525 §6.3: a wildcard stands for exactly one label. `host` may be one itself."""
        parent = host.partition(".")[2]
        return host in self.names or f"*.{parent}" in self.names


def parse(chain_pem: bytes, key_pem: bytes) -> Bundle:
    """The key, and the certificate that fits it. Raises CertificateRefused and nothing else."""
    if len(chain_pem) > LONGEST_BYTES or len(key_pem) > LONGEST_BYTES:
        raise CertificateRefused(f"it is longer than {LONGEST_BYTES:,} bytes")
    chain = _read_chain(chain_pem)
    key = _read_key(key_pem)
    try:
        _match(key, chain)
        leaf = chain[0]
        return Bundle(
            key=key,
            chain=chain,
            names=_names(leaf),
            issuer=_shown(leaf.issuer),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            fingerprint=leaf.fingerprint(SHA256()).hex(),
        )
    except _MALFORMED as error:
        raise CertificateRefused(f"it is malformed: {error}") from error


def check(bundle: Bundle, *, host: str, now: datetime) -> None:
    """Raises CertificateRefused if clients of `host` would refuse it at `now`."""
    try:
        _check_chain(bundle.chain)
        _check_time(bundle.chain, now)
        _check_purpose(bundle.chain[0])
    except _MALFORMED as error:
        raise CertificateRefused(f"it is malformed: {error}") from error
    if not bundle.covers(host):
        names = ", ".join(bundle.names[:5]) or "no host name"
        raise CertificateRefused(f"it is for {names}, not for {host}")


def _read_chain(chain_pem: bytes) -> tuple[x509.Certificate, ...]:
    try:
        chain = tuple(x509.load_pem_x509_certificates(chain_pem))
    except _MALFORMED as error:
        raise CertificateRefused("there is no certificate in PEM form in it") from error
    if len(chain) > LONGEST_CHAIN:
        raise CertificateRefused(f"its chain is longer than {LONGEST_CHAIN}")
    return chain


def _read_key(key_pem: bytes) -> Key:
    try:
        key = load_pem_private_key(key_pem, password=None)
    except TypeError as error:
        raise CertificateRefused("the key has a passphrase; hand it in without one") from error
    except _MALFORMED as error:
        raise CertificateRefused("there is no private key in PEM form with it") from error
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, CURVES):
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    raise CertificateRefused(
        f"its key must be RSA of {LEAST_RSA_BITS} bits or more, P-256, P-384 or Ed25519"
    )


def _match(key: Key, chain: tuple[x509.Certificate, ...]) -> None:
    ours = _public_bytes(key)
    places = [number for number, each in enumerate(chain, 1) if _public_bytes(each) == ours]
    if not places:
        raise CertificateRefused("the private key belongs to another certificate")
    if places[0] != 1:
        raise CertificateRefused(
            f"the certificate of the key is number {places[0]} in the file; it must come first"
        )


def _public_bytes(of: Key | x509.Certificate) -> bytes:
    return of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _check_chain(chain: tuple[x509.Certificate, ...]) -> None:
    for number, (each, issuer) in enumerate(pairwise(chain), 1):
        try:
            each.verify_directly_issued_by(issuer)
        except _MALFORMED as error:
            raise CertificateRefused(
                f"certificate {number} ({_shown(each.subject)}) was not issued by certificate"
                f" {number + 1} ({_shown(issuer.subject)}): first comes the host's own, after"
                " each one its issuer's"
            ) from error


def _check_time(chain: tuple[x509.Certificate, ...], now: datetime) -> None:
    for number, each in enumerate(chain, 1):
        which = "it" if number == 1 else f"certificate {number} ({_shown(each.subject)})"
        if each.not_valid_after_utc <= now:
            raise CertificateRefused(f"{which} expired on {each.not_valid_after_utc:%Y-%m-%d}")
        if each.not_valid_before_utc > now:
            raise CertificateRefused(
                f"{which} is not valid before {each.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            )


def _check_purpose(leaf: x509.Certificate) -> None:
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    wanted = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if not any(purpose in wanted for purpose in purposes):
        raise CertificateRefused("it is not meant for servers")


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_plain(name).lower() for name in found.get_values_for_type(x509.DNSName))


def _shown(name: x509.Name) -> str:
    """The part of a distinguished name that people know it by."""
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(kind):
            return _plain(str(attribute.value))[:LONGEST_ISSUER]
    return _plain(name.rfc4514_string())[:LONGEST_ISSUER]


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)
