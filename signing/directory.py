"""Which keys sign for which names of a domain, from this process's memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from accounts import secrets
from accounts.secrets import Undecipherable
from domains.directory import Memory
from domains.models import HostedName
from protocols.message.dkim import Signer
from signing.keys import PURPOSE
from signing.models import SigningKey

log = structlog.get_logger(__name__)

Signers = Mapping[str, tuple[Signer, ...]]

_signers: Memory[int, Signers] = Memory(limit=10_000)


def signers(domain_id: int, *, cached_only: bool = False) -> Signers:
    """Name to its keys; RSA comes first, as everybody understands it. Raises Cold."""
    return _signers.ask(domain_id, _read, cached_only=cached_only)


def forget(domain_id: int) -> None:
    """Called for each note on Topic.DOMAIN."""
    _signers.forget(domain_id)


def clear() -> None:
    _signers.clear()


def _read(domain_id: int) -> Signers:
    found: dict[str, dict[str, Signer]] = {}
    in_use = SigningKey.objects.filter(
        domain_id=domain_id,
        name__in=HostedName.objects.filter(domain_id=domain_id).values("name"),
        published_at__isnull=False,
        retired_at=None,
    )
    for row in in_use.order_by("-algorithm", "pk"):
        sign = _sign_with(row)
        if sign is not None:
            signer = Signer(row.name, row.selector, f"{row.algorithm}-sha256", sign)
            found.setdefault(row.name, {})[row.algorithm] = signer
    return {name: tuple(by_algorithm.values()) for name, by_algorithm in found.items()}


def _sign_with(row: SigningKey) -> Callable[[bytes], bytes] | None:
    try:
        key = load_der_private_key(secrets.decrypt(PURPOSE, bytes(row.private_key)), password=None)
    except (Undecipherable, ValueError):
        log.error("signing key cannot be opened", key=str(row))
        return None
    if isinstance(key, RSAPrivateKey):
        return partial(_sign_rsa, key)
    if isinstance(key, Ed25519PrivateKey):
        return partial(_sign_ed25519, key)
    return None


def _sign_rsa(key: RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, PKCS1v15(), SHA256())


def _sign_ed25519(key: Ed25519PrivateKey, data: bytes) -> bytes:
    return key.sign(sha256(data).digest())  # RFC 8463 §3: of the hash
