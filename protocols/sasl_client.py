"""The client's side of SASL as steps: for logins at gateways and for tests. RFC 4422."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Protocol

from protocols import scram

PREFERENCE = ("SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN")


class ServerNotTrusted(Exception):
    """The server broke the exchange, or could not show that it knows the password."""


class ClientExchange(Protocol):
    """One login. `initial` goes with the command where the protocol allows; None: wait first."""

    mechanism: str

    @property
    def initial(self) -> bytes | None: ...

    def step(self, challenge: bytes) -> bytes:
        """The response to a challenge. Raises ServerNotTrusted."""
        ...

    @property
    def may_end(self) -> bool:
        """Whether the server's "welcome" may be believed now: SCRAM wants its signature first."""
        ...


class PlainClient:
    """RFC 4616."""

    mechanism = "PLAIN"
    may_end = True

    def __init__(self, login: str, password: str) -> None:
        self.initial = b"\0" + login.encode() + b"\0" + password.encode()

    def step(self, challenge: bytes) -> bytes:
        return self.initial


class LoginClient:
    """The first question is for the name, the second for the password, whatever their words."""

    mechanism = "LOGIN"
    initial = None
    may_end = True

    def __init__(self, login: str, password: str) -> None:
        self._answers = [login.encode(), password.encode()]

    def step(self, challenge: bytes) -> bytes:
        if not self._answers:
            raise ServerNotTrusted("LOGIN asks two questions only")
        return self._answers.pop(0)


class CramMd5Client:
    """RFC 2195."""

    mechanism = "CRAM-MD5"
    initial = None
    may_end = True

    def __init__(self, login: str, password: str) -> None:
        self._login = login.encode()
        self._password = password.encode()

    def step(self, challenge: bytes) -> bytes:
        digest = hmac.new(self._password, challenge, hashlib.md5).hexdigest()
        return self._login + b" " + digest.encode("ascii")


_SERVER_FIRST = re.compile(
    rb"r=(?P<nonce>[!-+\--~]+),s=(?P<salt>[A-Za-z0-9+/=]+),i=(?P<iterations>[1-9][0-9]{0,6})"
    rb"(?:,[A-Za-z]=[^,\0]+)*"
)
_SERVER_FINAL = re.compile(rb"v=(?P<signature>[A-Za-z0-9+/=]+)(?:,[A-Za-z]=[^,\0]+)*")


class ScramClient:
    """SCRAM-SHA-256 without channel binding. RFC 5802, RFC 7677."""

    mechanism = "SCRAM-SHA-256"

    def __init__(self, login: str, password: str, nonce: str | None = None) -> None:
        name = login.replace("=", "=3D").replace(",", "=2C")
        self._password = password
        self._nonce = (nonce or secrets.token_urlsafe(18)).encode()
        self._bare = b"n=" + name.encode() + b",r=" + self._nonce
        self._signature: bytes | None = None
        self.initial = b"n,," + self._bare
        self.may_end = False

    def step(self, challenge: bytes) -> bytes:
        if self._signature is None:
            return self._prove(challenge) if challenge else self.initial
        self._check(challenge)
        return b""

    def _prove(self, server_first: bytes) -> bytes:
        match = _SERVER_FIRST.fullmatch(server_first)
        if match is None or not match["nonce"].startswith(self._nonce):
            raise ServerNotTrusted("the server's first message is wrong")
        iterations = int(match["iterations"])
        if match["nonce"] == self._nonce or not 4096 <= iterations <= scram.MAX_ITERATIONS:
            raise ServerNotTrusted("the server's first message is too weak or too costly")
        salted = scram.salted_password(self._password, _base64(match["salt"]), iterations)
        without_proof = b"c=biws,r=" + match["nonce"]  # "biws" is base64 of "n,,"
        message = b",".join((self._bare, server_first, without_proof))
        self._signature = scram.server_signature(scram.server_key(salted), message)
        proof = binascii.b2a_base64(scram.make_proof(salted, message), newline=False)
        return without_proof + b",p=" + proof

    def _check(self, server_final: bytes) -> None:
        match = _SERVER_FINAL.fullmatch(server_final)
        if match is None or not hmac.compare_digest(
            _base64(match["signature"]), self._signature or b""
        ):
            raise ServerNotTrusted("the server does not know the password")
        self.may_end = True


def choose(offered: Iterable[str], *, is_encrypted: bool) -> str | None:
    """The best mechanism on offer; PLAIN and LOGIN only over an encrypted connection."""
    names = {name.upper() for name in offered}
    usable = PREFERENCE if is_encrypted else PREFERENCE[:2]
    return next((name for name in usable if name in names), None)


def begin(mechanism: str, login: str, password: str) -> ClientExchange:
    """Raises KeyError for a mechanism that `choose` would not name."""
    return _CLIENTS[mechanism](login, password)


_CLIENTS: dict[str, type[PlainClient | LoginClient | CramMd5Client | ScramClient]] = {
    "SCRAM-SHA-256": ScramClient,
    "CRAM-MD5": CramMd5Client,
    "PLAIN": PlainClient,
    "LOGIN": LoginClient,
}


def _base64(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise ServerNotTrusted("the server's message is not base64") from error
