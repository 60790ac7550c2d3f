"""Passwords to what is kept of them, and the policy for new ones (N-012, U-014)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from secrets import token_hex
from typing import Any

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

from accounts import secrets
from accounts.errors import HashNotUnderstood, PasswordRefused
from accounts.models import User
from accounts.settings import LOGIN, LONGEST_PASSWORD
from protocols import hmac_md5, scram
from protocols.saslprep import Prohibited, saslprep
from protocols.scram import ScramKeys

CRAM_MD5_PURPOSE = "cram-md5 state"

APP_PASSWORD_KIND = "sha256"  # noqa: S105 - the name of a hash
_APP_HASH = re.compile(r"sha256\$[0-9a-f]{16}\$[0-9a-f]{64}")

# A hash that was made elsewhere may ask for more, but not for so much that a login hurts.
MOST_MEMORY_KB = 1024 * 1024
MOST_PASSES = 64


class Argon2id(Argon2PasswordHasher):
    """RFC 9106 with OWASP's least memory: 19 MiB, two passes; about 20 ms for each check."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1


@dataclass(frozen=True, slots=True)
class Verifiers:
    """What is stored in place of a password; empty values are made at the next log-in."""

    password: str  # Argon2id in Django's form
    scram: ScramKeys | None = None
    cram_md5_state: bytes = b""  # in the clear, as protocols.hmac_md5 makes it

    def columns(self) -> dict[str, Any]:
        """Values for the columns of User."""
        keys = self.scram
        return {
            "password": self.password,
            "scram_salt": keys.salt if keys else b"",
            "scram_iterations": keys.iterations if keys else 0,
            "scram_stored_key": keys.stored_key if keys else b"",
            "scram_server_key": keys.server_key if keys else b"",
            "cram_md5_state": seal_cram_md5(self.cram_md5_state),
        }


def no_password() -> Verifiers:
    """Nobody can log in with it; a password can be set at any time."""
    return Verifiers(make_password(None))


def derive(password: str, *, encoded: str | None = None) -> Verifiers:
    """Slow on purpose: not to be called within a transaction. Raises PasswordRefused.

    `encoded`: the Argon2 hash of the same password, where there is one already.
    """
    try:
        keys = scram.derive_keys(password)
        prepared = saslprep(password)
    except Prohibited:
        raise PasswordRefused(("has characters that no password may have",)) from None
    state = hmac_md5.derive_state(password.encode()) if LOGIN.read().cram_md5 else b""
    return Verifiers(encoded or make_password(prepared), keys, state)


def verify(password: str, encoded: str) -> bool:
    """Whether the slow hash is that of the password; about 20 ms.

    Programs compose characters in different ways; hashes from elsewhere were made of what was
    typed (RFC 4616 §2, RFC 4013).
    """
    try:
        prepared = saslprep(password)
    except Prohibited:
        prepared = password
    candidates = dict.fromkeys((prepared, password))
    return any(_verify(candidate, encoded) for candidate in candidates)


def _verify(password: str, encoded: str) -> bool:
    try:
        octets = password.encode("utf-8", "surrogatepass")
        return argon2.PasswordHasher().verify(encoded.removeprefix("argon2"), octets)
    except (Argon2Error, InvalidHashError):
        return False


def hash_app_password(password: str) -> str:
    """Made of 144 random bits, it needs no slow hash: nobody can try them all."""
    salt = token_hex(8)
    return f"{APP_PASSWORD_KIND}${salt}${_app_digest(salt, password)}"


def fits_app_password(encoded: str, password: str) -> bool:
    kind, _, rest = encoded.partition("$")
    salt, _, digest = rest.partition("$")
    is_right = hmac.compare_digest(_app_digest(salt, password), digest)
    return is_right and kind == APP_PASSWORD_KIND


def read_app_hash(text: str) -> str:
    """What `hash_app_password` made. Raises HashNotUnderstood."""
    if not _APP_HASH.fullmatch(text):
        raise HashNotUnderstood("an app password's has the form sha256$salt$digest")
    return text


def _app_digest(salt: str, password: str) -> str:
    octets = password.encode("utf-8", "surrogatepass")
    return hashlib.sha256(salt.encode() + octets).hexdigest()


def from_hash(text: str) -> Verifiers:
    """A hash made elsewhere: Argon2, plain or in Django's form. Raises HashNotUnderstood.

    SCRAM and CRAM-MD5 work from the first log-in with the password itself on.
    """
    encoded = text.removeprefix("{ARGON2ID}").removeprefix("{ARGON2}").removeprefix("argon2")
    if not encoded.startswith("$argon2"):
        raise HashNotUnderstood("only Argon2 is understood: argon2$argon2id$... or $argon2id$...")
    try:
        parameters = argon2.extract_parameters(encoded)
    except (InvalidHashError, ValueError):
        raise HashNotUnderstood(
            "it is not a well-formed Argon2 hash; with its commas it may need quotes"
        ) from None
    if parameters.memory_cost > MOST_MEMORY_KB or parameters.time_cost > MOST_PASSES:
        raise HashNotUnderstood("it asks for too much memory or time")
    return Verifiers("argon2" + encoded)


def require_strong(password: str, *, names: Mapping[str, str] | None = None) -> None:
    """Raises PasswordRefused with every rule that a new password breaks (U-014).

    `names`: what the password must not simply repeat, such as the local part.
    """
    rules = LOGIN.read()
    reasons = []
    if len(password) < rules.minimum_password_length:
        reasons.append(f"has fewer than {rules.minimum_password_length} characters")
    if rules.refuse_common_passwords and _is_common(password):
        reasons.append("is one that many people use")
    for kind, name in (names or {}).items():
        if name and password.casefold() == name.casefold():
            reasons.append(f"is the {kind}")
    if reasons:
        raise PasswordRefused(tuple(reasons))
    require_usable(password)


def require_usable(password: str) -> None:
    """What even a test site cannot have. Raises PasswordRefused."""
    if not password:
        raise PasswordRefused(("is empty",))
    if len(password) > LONGEST_PASSWORD:
        raise PasswordRefused((f"has more than {LONGEST_PASSWORD} characters",))
    try:
        saslprep(password).encode()
    except (Prohibited, UnicodeEncodeError):
        raise PasswordRefused(("has characters that no password may have",)) from None


def fits(user: User, password: str) -> bool:
    """Whether it is the user's password, by the cheapest verifier that there is.

    For tools that compare what they have; a log-in asks `accounts.authentication`.
    """
    keys = scram_keys(user)
    if keys is None:
        return user.has_usable_password() and verify(password, user.password)
    try:
        return scram.derive_keys(password, salt=keys.salt, iterations=keys.iterations) == keys
    except Prohibited:
        return False


def scram_keys(user: User) -> ScramKeys | None:
    if not user.scram_iterations:
        return None
    return ScramKeys(
        bytes(user.scram_salt),
        user.scram_iterations,
        bytes(user.scram_stored_key),
        bytes(user.scram_server_key),
    )


def seal_cram_md5(state: bytes) -> bytes:
    return secrets.encrypt(CRAM_MD5_PURPOSE, state) if state else b""


def open_cram_md5(sealed: bytes) -> bytes:
    """The state of `protocols.hmac_md5`. Raises accounts.secrets.Undecipherable."""
    return secrets.decrypt(CRAM_MD5_PURPOSE, sealed)


@lru_cache(maxsize=1)
def _common_passwords() -> CommonPasswordValidator:
    return CommonPasswordValidator()


def _is_common(password: str) -> bool:
    try:
        _common_passwords().validate(password)
    except ValidationError:
        return True
    return False
