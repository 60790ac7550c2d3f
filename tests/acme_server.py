"""A real ACME server on loopback for tests: RFC 8555 with HTTP-01, signed by a test authority.

It checks what a public one checks: nonces, signatures, URLs, the agreement to the terms, the key
authorization that it fetches over HTTP, and that the request for a certificate is for the
identifiers of the order.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import ssl
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.authority import Authority, key_pem, new_key, pem

ERRORS = "urn:ietf:params:acme:error:"


class Problem(Exception):
    """An answer as RFC 8555 §6.7 has it."""

    def __init__(self, kind: str, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status
        self.document = {"type": ERRORS + kind, "detail": detail, "status": status}


class AcmeServer:
    """Use as a context. `web` says where a host's port 80 is: `{host: (ip, port)}`, or for all.

    `begun` is how old certificates are when they are issued, `lifetime` how long they last from
    then. `break_with`: path prefix -> (status, body) to answer with instead.
    """

    def __init__(self, folder: Path, web: dict[str, tuple[str, int]] | tuple[str, int]) -> None:
        self.web = web
        self.authority = Authority(datetime.now(UTC))
        self.begun = timedelta(hours=1)
        self.lifetime = timedelta(days=90)
        self.break_with: dict[str, tuple[int, bytes]] = {}
        self.spoil_nonces = 0
        self.accounts: dict[str, dict] = {}
        self.orders: dict[str, dict] = {}
        self.authorizations: dict[str, dict] = {}
        self.issued: list[x509.Certificate] = []
        self.asked: list[str] = []  # hosts whose token was fetched
        self.user_agents: set[str] = set()
        self._nonces: set[str] = set()
        self._lock = threading.RLock()
        self.ca_path = folder / "acme-root.pem"
        self.ca_path.write_bytes(pem(self.authority.root))
        own = folder / "acme-server.pem"
        key = new_key()
        leaf = self.authority.issue("localhost", public_key=key.public_key())
        own.write_bytes(key_pem(key) + pem(leaf, self.authority.intermediate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own)
        acme = self

        class Handler(_Handler):
            server_of = acme

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.base = f"https://localhost:{self._http.server_port}"
        self.directory_url = f"{self.base}/directory"

    def __enter__(self) -> AcmeServer:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def new_nonce(self) -> str:
        nonce = secrets.token_urlsafe(16)
        with self._lock:
            self._nonces.add(nonce)
        return nonce

    # --- requests ---

    def directory(self) -> dict:
        return {
            "newNonce": f"{self.base}/new-nonce",
            "newAccount": f"{self.base}/new-account",
            "newOrder": f"{self.base}/new-order",
            "revokeCert": f"{self.base}/revoke",
            "keyChange": f"{self.base}/key-change",
            "meta": {"termsOfService": f"{self.base}/terms"},
        }

    def post(self, path: str, body: bytes) -> tuple[int, object, dict[str, str]]:
        """(status, document or PEM, headers)."""
        with self._lock:
            header, payload, account = self._open(path, body)
            if path == "/new-account":
                return self._new_account(header["jwk"], payload)
            if account is None:
                raise Problem("unauthorized", "kid is needed", 401)
            kind, _, number = path.removeprefix("/").partition("/")
            answer = {
                "account": self._account,
                "new-order": self._new_order,
                "order": self._order,
                "authorization": self._authorization,
                "challenge": self._challenge,
                "finalize": self._finalize,
                "certificate": self._certificate,
            }.get(kind)
            if answer is None:
                raise Problem("malformed", "no such resource", 404)
            return answer(account, number, payload)

    def _open(self, path: str, body: bytes) -> tuple[dict, dict, str | None]:
        """Check the JWS (RFC 8555 §6.2): header, payload, account URL."""
        jws = json.loads(body)
        header = json.loads(_decode(jws["protected"]))
        if header["nonce"] not in self._nonces or self.spoil_nonces:
            self.spoil_nonces = max(0, self.spoil_nonces - 1)
            raise Problem("badNonce", "unknown nonce")
        self._nonces.remove(header["nonce"])
        if header["url"] != f"{self.base}{path}" or header["alg"] != "ES256":
            raise Problem("unauthorized", "url or alg", 401)
        if ("jwk" in header) == ("kid" in header):
            raise Problem("malformed", "either jwk or kid")
        account = header.get("kid")
        if account is not None and account not in self.accounts:
            raise Problem("accountDoesNotExist", account)
        jwk = header["jwk"] if account is None else self.accounts[account]["jwk"]
        signature = _decode(jws["signature"])
        halves = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        signed = f"{jws['protected']}.{jws['payload']}".encode()
        try:
            _public_key(jwk).verify(encode_dss_signature(*halves), signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise Problem("malformed", "signature") from None
        return header, json.loads(_decode(jws["payload"]) or b"{}"), account

    def _new_account(self, jwk: dict, payload: dict):
        url = f"{self.base}/account/{_thumbprint(jwk)}"
        if url in self.accounts:
            return 200, self.accounts[url]["document"], {"Location": url}
        if payload.get("onlyReturnExisting"):
            raise Problem("accountDoesNotExist", "none")
        if not payload.get("termsOfServiceAgreed"):
            raise Problem("userActionRequired", "the terms are not agreed to", 403)
        document = {"status": "valid", "contact": payload.get("contact", [])}
        self.accounts[url] = {"jwk": jwk, "document": document}
        return 201, document, {"Location": url}

    def _account(self, account: str, number: str, payload: dict):
        self.accounts[account]["document"].update(payload)
        return 200, self.accounts[account]["document"], {"Location": account}

    def _new_order(self, account: str, _: str, payload: dict):
        number, names = secrets.token_hex(4), payload["identifiers"]
        authorizations = []
        for identifier in names:
            one = secrets.token_hex(4)
            self.authorizations[one] = {
                "account": account,
                "token": secrets.token_urlsafe(24),
                "document": {"status": "pending", "identifier": identifier},
                "error": None,
            }
            authorizations.append(f"{self.base}/authorization/{one}")
        self.orders[number] = {
            "account": account,
            "names": [identifier["value"] for identifier in names],
            "document": {
                "status": "pending",
                "identifiers": names,
                "authorizations": authorizations,
                "finalize": f"{self.base}/finalize/{number}",
            },
        }
        return 201, self._order_document(number), {"Location": f"{self.base}/order/{number}"}

    def _order_document(self, number: str) -> dict:
        document = self.orders[number]["document"]
        states = {
            self.authorizations[url.rpartition("/")[2]]["document"]["status"]
            for url in document["authorizations"]
        }
        if document["status"] == "pending" and states == {"valid"}:
            document["status"] = "ready"
        return document

    def _order(self, account: str, number: str, _: dict):
        return 200, self._order_document(number), {}

    def _authorization(self, account: str, number: str, _: dict):
        found = self.authorizations[number]
        return 200, found["document"] | {"challenges": [self._challenge_document(number)]}, {}

    def _challenge_document(self, number: str) -> dict:
        found = self.authorizations[number]
        return {
            "type": "http-01",
            "url": f"{self.base}/challenge/{number}",
            "token": found["token"],
            "status": found["document"]["status"],
            **({"error": found["error"]} if found["error"] else {}),
        }

    def _challenge(self, account: str, number: str, _: dict):
        threading.Thread(target=self._validate, args=(account, number), daemon=True).start()
        link = f'<{self.base}/authorization/{number}>;rel="up"'
        return 200, self._challenge_document(number), {"Link": link}

    def _validate(self, account: str, number: str) -> None:
        """RFC 8555 §8.3: fetch the token from the host, over HTTP."""
        found = self.authorizations[number]
        host = found["document"]["identifier"]["value"]
        expected = f"{found['token']}.{_thumbprint(self.accounts[account]['jwk'])}"
        place = self.web.get(host) if isinstance(self.web, dict) else self.web
        try:
            if place is None:
                raise OSError("no such host")
            connection = http.client.HTTPConnection(*place, timeout=10)
            path = f"/.well-known/acme-challenge/{found['token']}"
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            body = response.read(1000).decode("latin-1").rstrip()
            if response.status != 200 or body != expected:
                raise OSError(f"status {response.status}, not the key authorization")
            status, error = "valid", None
        except OSError as problem:
            status = "invalid"
            error = Problem("unauthorized", f"{host}: {problem}", 403).document
        with self._lock:
            self.asked.append(host)
            found["error"] = error
            found["document"]["status"] = status

    def _finalize(self, account: str, number: str, payload: dict):
        order, document = self.orders[number], self._order_document(number)
        if document["status"] != "ready":
            raise Problem("orderNotReady", document["status"], 403)
        csr = x509.load_der_x509_csr(_decode(payload["csr"]))
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        wanted = names.get_values_for_type(x509.DNSName)
        if not csr.is_signature_valid or wanted != order["names"]:
            raise Problem("badCSR", "not for the identifiers")
        begins = datetime.now(UTC) - self.begun
        leaf = self.authority.issue(
            *wanted, public_key=csr.public_key(), begins=begins, ends=begins + self.lifetime
        )
        self.issued.append(leaf)
        order["pem"] = pem(leaf, self.authority.intermediate)
        document |= {"status": "valid", "certificate": f"{self.base}/certificate/{number}"}
        return 200, document, {}

    def _certificate(self, account: str, number: str, _: dict):
        return 200, self.orders[number]["pem"], {}


class _Handler(BaseHTTPRequestHandler):
    server_of: AcmeServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(200, b"", {})

    def do_GET(self) -> None:
        if not self._is_broken():
            self._answer(200, self.server_of.directory(), {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server_of.user_agents.add(self.headers["User-Agent"])
        if self._is_broken():
            return
        try:
            self._answer(*self.server_of.post(self.path, body))
        except Problem as problem:
            self._answer(problem.status, problem.document, {}, "application/problem+json")

    def _is_broken(self) -> bool:
        for prefix, (status, body) in self.server_of.break_with.items():
            if self.path.startswith(prefix):
                self._answer(status, body, {}, "application/json")
                return True
        return False

    def _answer(self, status, document, headers, content_type=None) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        is_pem = isinstance(document, bytes)
        kind = "application/pem-certificate-chain" if is_pem else "application/json"
        self.send_response(status)
        self.send_header("Content-Type", content_type or kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Replay-Nonce", self.server_of.new_nonce())
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing is worth a line on the tests' screen."""


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _thumbprint(jwk: dict) -> str:
    """RFC 7638."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def _public_key(jwk: dict) -> ec.EllipticCurvePublicKey:
    x, y = (int.from_bytes(_decode(jwk[name]), "big") for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
