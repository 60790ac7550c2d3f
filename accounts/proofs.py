"""Recent successful log-ins, so that the slow hash does not throttle programs that poll (N-012).

Kept is an HMAC with a key that lives and dies with this process: a memory image tells no password
that could be used elsewhere, and nothing is written anywhere.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

LIFETIME_SECONDS = 300.0
LIMIT = 100_000

# A user has his password and perhaps some app passwords in use at the same time.
PROOFS_FOR_EACH_ACCOUNT = 8

_boot_secret = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Proof:
    """`scopes`: the services of an app password; empty: all."""

    digest: bytes
    version: int
    scopes: tuple[str, ...]
    expires: float


class Proofs:
    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._proofs: OrderedDict[int, list[Proof]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, account_id: int, version: int, password: str) -> Proof | None:
        """A proof of this password that is fresh and as young as the account's last change."""
        proofs = self._proofs.get(account_id)
        if not proofs:
            return None
        digest, now = _digest(account_id, password), time.monotonic()
        for proof in proofs:
            is_valid = proof.version == version and proof.expires > now
            if hmac.compare_digest(proof.digest, digest) and is_valid:
                return proof
        return None

    def keep(self, account_id: int, version: int, password: str, scopes: tuple[str, ...]) -> None:
        digest, now = _digest(account_id, password), time.monotonic()
        fresh = Proof(digest, version, scopes, now + LIFETIME_SECONDS)
        with self._lock:
            others = [
                proof
                for proof in self._proofs.get(account_id, ())
                if proof.digest != digest and proof.version == version and proof.expires > now
            ]
            self._proofs[account_id] = [fresh, *others][:PROOFS_FOR_EACH_ACCOUNT]
            self._proofs.move_to_end(account_id)
            if len(self._proofs) > self._limit:
                self._proofs.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._proofs.clear()


def _digest(account_id: int, password: str) -> bytes:
    message = account_id.to_bytes(8, "big") + password.encode("utf-8", "surrogatepass")
    return hmac.digest(_boot_secret, message, "sha256")
