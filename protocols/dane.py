"""DANE for SMTP: which certificates the TLSA records of a server allow. RFC 6698, RFC 7672."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256, sha512
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TRUST_ANCHOR, END_ENTITY = 2, 3  # certificate usages, RFC 7672 §3.1
WHOLE, PUBLIC_KEY = 0, 1  # selectors
EXACT, SHA256, SHA512 = 0, 1, 2  # matching types
LONGEST_CHAIN = 10
MOST_RECORDS = 50

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
)


class MalformedTlsa(Exception):
    """The text is no TLSA record."""


@dataclass(frozen=True, slots=True)
class Tlsa:
    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def is_usable(self) -> bool:
        """RFC 7672 §3.1.3: with usages 0 and 1 a mail server can do nothing."""
        length = {SHA256: 32, SHA512: 64}.get(self.matching)
        return (
            self.usage in (TRUST_ANCHOR, END_ENTITY)
            and self.selector in (WHOLE, PUBLIC_KEY)
            and self.matching in (EXACT, SHA256, SHA512)
            and (length is None or len(self.data) == length)
            and bool(self.data)
        )

    @property
    def text(self) -> str:
        """As a zone file has it."""
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"

    def fits(self, certificate: x509.Certificate) -> bool:
        found = _selected(certificate, self.selector)
        if self.matching == SHA256:
            return sha256(found).digest() == self.data
        return (sha512(found).digest() if self.matching == SHA512 else found) == self.data


def parse(text: str) -> Tlsa:
    """`3 1 1 <hexadecimal>`. Raises MalformedTlsa."""
    numbers, data = text.split()[:3], "".join(text.split()[3:])
    if len(numbers) != 3 or not all(each.isascii() and each.isdecimal() for each in numbers):
        raise MalformedTlsa(text)
    usage, selector, matching = (int(each[:4]) for each in numbers)
    if max(usage, selector, matching) > 255:
        raise MalformedTlsa(text)
    try:
        return Tlsa(usage, selector, matching, bytes.fromhex(data))
    except ValueError as error:
        raise MalformedTlsa(text) from error


def refusal(
    records: Iterable[Tlsa], chain: Sequence[bytes], *, names: Iterable[str], now: datetime
) -> str:
    """Why none of the usable `records` allows the server's certificates; empty: one does.

    `chain` is in DER, the server's own first; `names` are those it may go by (RFC 7672 §3.2.3).
    """
    try:
        certificates = [x509.load_der_x509_certificate(each) for each in chain[:LONGEST_CHAIN]]
        if not certificates:
            return "the server showed no certificate"
        reasons = [
            _refusal_by(record, certificates, tuple(names), now)
            for record in records
            if record.is_usable
        ]
    except _MALFORMED:
        return "the server's certificate is malformed"
    return "" if "" in reasons else next(iter(reasons), "no TLSA record is usable")


def _refusal_by(
    record: Tlsa, chain: list[x509.Certificate], names: tuple[str, ...], now: datetime
) -> str:
    if record.usage == END_ENTITY:
        # RFC 7672 §3.1.1: neither names nor dates count, the record speaks for itself.
        return "" if record.fits(chain[0]) else "no TLSA record fits the certificate"
    anchors = [place for place, each in enumerate(chain) if record.fits(each)]
    if not anchors:
        return "no TLSA record fits the certificates of the chain"
    used = chain[: anchors[0] + 1]
    for each, issuer in pairwise(used):
        each.verify_directly_issued_by(issuer)
        if not _is_authority(issuer):
            return "a certificate of the chain may not issue others"
    if any(not each.not_valid_before_utc <= now < each.not_valid_after_utc for each in used):
        return "a certificate of the chain is out of date"
    return "" if _covers(chain[0], names) else "the certificate is for another name"


def _selected(certificate: x509.Certificate, selector: int) -> bytes:
    if selector == WHOLE:
        return certificate.public_bytes(Encoding.DER)
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _covers(certificate: x509.Certificate, names: tuple[str, ...]) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    given = {name.lower() for name in found.get_values_for_type(x509.DNSName)}
    return any(name in given or f"*.{name.partition('.')[2]}" in given for name in names)
