"""The server's side of SASL as steps: bytes in, a challenge or a proof out. RFC 4422.

An exchange never sees a secret and never decides: it ends with a proof, and whoever knows the
accounts resolves that to a person or to nobody. IMAP, POP3 and SMTP share it; the base64 around
each step (RFC 4648 §4) is decoded by `decode_response` and made by `encode_challenge`.
"""

from __future__ import annotations

import binascii
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from protocols import hmac_md5, scram
from protocols.scram import ScramKeys

MAX_RESPONSE_BYTES = 4096  # decoded; a name and a password of RFC 4616's 255 each fit amply


class Malformed(Exception):
    """The client's bytes break the mechanism's grammar."""


class Cancelled(Malformed):
    """The client sent `*`: it gives up. RFC 4954 §4, RFC 9051 §6.2.2, RFC 5034 §4."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send `data`, pass the client's answer to the next `step`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class KeysWanted:
    """SCRAM goes on when `give_keys` is called with the keys of `login` (or with fake ones)."""

    login: str


@dataclass(frozen=True, slots=True)
class PlainProof:
    """The password itself. `acting_for` (RFC 4616's authzid) is empty as a rule."""

    login: str
    password: str
    acting_for: str = ""

    def __repr__(self) -> str:
        return f"PlainProof(login={self.login!r}, password=...)"


@dataclass(frozen=True, slots=True)
class CramProof:
    """A digest of our challenge under the password. RFC 2195."""

    login: str
    challenge: bytes
    digest: bytes  # 16 bytes

    def fits(self, state: bytes) -> bool:
        """Whether the password behind this `hmac_md5` state made the digest."""
        return hmac.compare_digest(hmac_md5.digest(state, self.challenge), self.digest)


@dataclass(frozen=True, slots=True)
class ScramProof:
    """SCRAM has compared already, with the keys that it was given."""

    login: str
    is_proven: bool
    acting_for: str = ""


Proof = PlainProof | CramProof | ScramProof
Step = Challenge | KeysWanted | Proof


class Exchange(Protocol):
    """One run of one mechanism."""

    def step(self, response: bytes | None) -> Step:
        """Take the client's next response; the first may be None: no initial response was sent.

        Raises Malformed.
        """
        ...


class PlainExchange:
    """PLAIN: authzid NUL authcid NUL password. RFC 4616."""

    def step(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"")
        parts = response.split(b"\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise Malformed("PLAIN wants authzid NUL authcid NUL password")
        acting_for, login, password = map(_text, parts)
        return PlainProof(login, password, acting_for)


class LoginExchange:
    """LOGIN: two questions; never a standard, yet many clients know nothing else."""

    def __init__(self) -> None:
        self._login: str | None = None

    def step(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"Username:")
        if self._login is None:
            self._login = _name(response)
            return Challenge(b"Password:")
        if not response:
            raise Malformed("LOGIN wants a password")
        return PlainProof(self._login, _text(response))


class CramMd5Exchange:
    """CRAM-MD5: name, space, HMAC-MD5 of the challenge in hexadecimal. RFC 2195."""

    def __init__(self, hostname: str) -> None:
        self._challenge = f"<{secrets.token_hex(16)}@{hostname}>".encode()
        self._is_asked = False

    def step(self, response: bytes | None) -> Step:
        if not self._is_asked:
            if response is not None:
                raise Malformed("CRAM-MD5 has no initial response")
            self._is_asked = True
            return Challenge(self._challenge)
        login, space, digits = (response or b"").rpartition(b" ")
        if not space or not _HEX_DIGEST.fullmatch(digits):
            raise Malformed("CRAM-MD5 wants a name and a digest")
        return CramProof(_name(login), self._challenge, bytes.fromhex(digits.decode("ascii")))


_HEX_DIGEST = re.compile(rb"[0-9A-Fa-f]{32}")


class ScramExchange:
    """SCRAM-SHA-256 without channel binding. RFC 5802 §5, RFC 7677.

    client-first -> KeysWanted -> `give_keys` -> client-final -> server-final -> empty -> proof.
    """

    def __init__(self, nonce: str | None = None) -> None:
        self._server_nonce = nonce or secrets.token_urlsafe(18)
        self._next: Callable[[bytes | None], Step] = self._take_first
        self._login = ""
        self._acting_for = ""
        self._gs2_header = b""
        self._client_first_bare = b""
        self._server_first = b""
        self._nonce = b""
        self._keys: ScramKeys | None = None

    def step(self, response: bytes | None) -> Step:
        return self._next(response)

    def give_keys(self, keys: ScramKeys) -> Challenge:
        """Go on with the keys of the login that KeysWanted named."""
        self._keys = keys
        salt = binascii.b2a_base64(keys.salt, newline=False)
        self._server_first = b"r=%b,s=%b,i=%d" % (self._nonce, salt, keys.iterations)
        self._next = self._take_final
        return Challenge(self._server_first)

    def _take_first(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"")
        match = _CLIENT_FIRST.fullmatch(response)
        if match is None:
            raise Malformed("SCRAM client-first-message is not well-formed")
        # RFC 5802 §6: "y" says that the client binds channels but believes that the server does
        # not; as no -PLUS mechanism is offered, it is right. "p=" does not match: it asks for one.
        self._gs2_header = match["gs2_header"]
        self._acting_for = _scram_name(match["authzid"] or b"")
        self._login = _scram_name(match["name"])
        self._client_first_bare = match["bare"]
        self._nonce = match["nonce"] + self._server_nonce.encode()
        return KeysWanted(self._login)

    def _take_final(self, response: bytes | None) -> Step:
        match = _CLIENT_FINAL.fullmatch(response or b"")
        if match is None or self._keys is None:
            raise Malformed("SCRAM client-final-message is not well-formed")
        # The client repeats the header that it began with, lest somebody changed it on the way.
        if _base64(match["binding"]) != self._gs2_header or match["nonce"] != self._nonce:
            return ScramProof(self._login, False, self._acting_for)
        message = b",".join((self._client_first_bare, self._server_first, match["without_proof"]))
        if not scram.proof_fits(self._keys, message, _base64(match["proof"])):
            return ScramProof(self._login, False, self._acting_for)
        signature = scram.server_signature(self._keys.server_key, message)
        self._next = self._take_acknowledgement
        return Challenge(b"v=" + binascii.b2a_base64(signature, newline=False))

    def _take_acknowledgement(self, response: bytes | None) -> Step:
        if response:
            raise Malformed("SCRAM ends with an empty response")
        return ScramProof(self._login, True, self._acting_for)


# RFC 5802 §7. Extensions before the name ("m=") are mandatory ones, unknown and so refused;
# those after the nonce are ignored.
_CLIENT_FIRST = re.compile(
    rb"(?P<gs2_header>[ny],(?:a=(?P<authzid>[^,\0]+))?,)"
    rb"(?P<bare>n=(?P<name>[^,\0]+),r=(?P<nonce>[!-+\--~]{1,512})(?:,[A-Za-z]=[^,\0]+)*)"
)
_CLIENT_FINAL = re.compile(
    rb"(?P<without_proof>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>[!-+\--~]+)"
    rb"(?:,[A-Za-oq-z]=[^,\0]+)*),p=(?P<proof>[A-Za-z0-9+/=]+)"
)

MECHANISMS: dict[str, Callable[[str], Exchange]] = {
    "SCRAM-SHA-256": lambda hostname: ScramExchange(),
    "CRAM-MD5": CramMd5Exchange,
    "PLAIN": lambda hostname: PlainExchange(),
    "LOGIN": lambda hostname: LoginExchange(),
}

# Mechanisms that show the password to whoever listens on the wire (N-006).
CLEAR_TEXT = frozenset({"PLAIN", "LOGIN"})


def begin(mechanism: str, *, hostname: str) -> Exchange | None:
    """A fresh exchange; None for an unknown mechanism. `hostname` adorns CRAM-MD5's challenge."""
    make = MECHANISMS.get(mechanism.upper())
    return make(hostname) if make is not None else None


def encode_challenge(data: bytes) -> bytes:
    """Base64 on one line, without a line end."""
    return binascii.b2a_base64(data, newline=False)


def decode_response(line: bytes) -> bytes:
    """The bytes of a base64 response, with the command (RFC 4959 §3) or on a line of its own.

    Raises Cancelled for `*`, Malformed for nonsense.
    """
    if line == b"*":
        raise Cancelled("the client gave up")
    if line == b"=":
        # The empty response where it comes with the command (RFC 4954 §4); later in an exchange
        # an empty line stands for it, yet some clients go on with "=": forgiven.
        return b""
    if len(line) > MAX_RESPONSE_BYTES * 4 // 3 + 4:
        raise Malformed("the response is too long")
    return _base64(line)


def _base64(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise Malformed("the response is not base64") from error


def _text(part: bytes) -> str:
    try:
        return part.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("the response is not UTF-8") from error


def _name(part: bytes) -> str:
    if not part or b"\0" in part:
        raise Malformed("the name is missing")
    return _text(part)


_ESCAPES = re.compile(r"=(2C|3D)?")


def _scram_name(part: bytes) -> str:
    """Undo `=2C` and `=3D`; any other `=` is an error. RFC 5802 §5.1."""

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            raise Malformed("the name has a stray =")
        return "," if match[1] == "2C" else "="

    return _ESCAPES.sub(replace, _text(part))
