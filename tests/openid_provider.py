"""A small OpenID provider on loopback, which logs everybody in as whom the test says."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

CLIENT_ID, CLIENT_SECRET = "mailhost", "a:secret %"


def encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def number(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass
class SigningKey:
    key_id: str = "one"
    algorithm: str = "RS256"
    private: Any = None

    def __post_init__(self) -> None:
        if self.private is None:
            if self.algorithm == "ES256":
                self.private = ec.generate_private_key(ec.SECP256R1())
            else:
                self.private = rsa.generate_private_key(65537, 2048)

    def public(self) -> dict[str, str]:
        about = {"kid": self.key_id, "use": "sig", "alg": self.algorithm}
        numbers = self.private.public_key().public_numbers()
        if self.algorithm == "ES256":
            point = {"x": number(numbers.x), "y": number(numbers.y)}
            return {**about, "kty": "EC", "crv": "P-256", **point}
        return {**about, "kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        head = {"alg": self.algorithm, "kid": self.key_id, **header}
        signed = ".".join(encode(json.dumps(part).encode()) for part in (head, claims))
        return f"{signed}.{encode(self._signature(signed.encode()))}"

    def _signature(self, signed: bytes) -> bytes:
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if self.algorithm == "PS256":
            salted = padding.PSS(padding.MGF1(SHA256()), SHA256.digest_size)
            return bytes(self.private.sign(signed, salted, SHA256()))
        return bytes(self.private.sign(signed, padding.PKCS1v15(), SHA256()))


@dataclass
class OpenIdProvider:
    """`claims` are those of whoever logs in; `userinfo` is told apart from them."""

    issuer: str = ""
    key: SigningKey = field(default_factory=SigningKey)
    published: list[SigningKey] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    tokens: int = 0
    is_silent: bool = False
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.published.append(self.key)

    def about(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            **self.configuration,
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT_ID and "openid" in asked["scope"].split()
        self.asked.append(asked)
        code = secrets.token_urlsafe(8)
        self._codes[code] = asked
        answer = {"code": code, "state": asked["state"]}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, given: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """None: refused."""
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
        asked = self._codes.pop(given.get("code", ""), None)
        challenge = encode(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or [unquote(part) for part in pair] != [CLIENT_ID, CLIENT_SECRET]
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != given["redirect_uri"]
        ):
            return None
        self.tokens += 1
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300,
            "nonce": asked["nonce"], **self.claims,
        }  # fmt: skip
        kept = {name: value for name, value in claims.items() if value is not None}
        return {"id_token": self.key.sign(kept), "access_token": "open", "token_type": "Bearer"}


@contextmanager
def openid_provider() -> Iterator[OpenIdProvider]:
    provider = OpenIdProvider()

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if provider.is_silent:
                self._answer(503, {})
            elif parts.path == "/.well-known/openid-configuration":
                self._answer(200, provider.about())
            elif parts.path == "/keys":
                self._answer(200, {"keys": [key.public() for key in provider.published]})
            elif parts.path == "/userinfo" and self.headers["Authorization"] == "Bearer open":
                self._answer(200, provider.userinfo)
            elif parts.path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(asked))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            given = {name: values[0] for name, values in parse_qs(body).items()}
            answer = provider.exchange(given, self.headers.get("Authorization", ""))
            self._answer(400 if answer is None else 200, answer or {"error": "invalid_grant"})

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            octets = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
