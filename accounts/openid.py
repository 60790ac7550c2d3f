"""The conversation with a log-in provider (OpenID Connect, code flow with PKCE).

It waits for another server, for seconds at most: neither in a transaction nor on an event loop.
"""

from __future__ import annotations

import hashlib
import json
import secrets as random_secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests
import structlog
from django.core.cache import cache

from accounts import loginprovider
from accounts.errors import ProviderFailed
from accounts.models import LoginProvider
from accounts.secrets import Undecipherable
from protocols import jwt, openid
from protocols.jwt import TokenRefused
from protocols.openid import Identity, Provider, ProviderMalformed

log = structlog.get_logger(__name__)

# To connect, and for each answer.
TIMEOUT_SECONDS = 5.0
LARGEST_ANSWER_BYTES = 256 * 1024
REMEMBERED_SECONDS = 600
# After an unknown key the keys are asked for anew, but not by everybody who makes one up.
KEYS_AGAIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Departure:
    """What is kept of somebody on his way to the provider, until he comes back."""

    state: str
    nonce: str
    verifier: str


def depart(row: LoginProvider, *, redirect_uri: str) -> tuple[str, Departure]:
    """Where the browser goes, and what it must come back with. Raises ProviderFailed."""
    provider = _provider(row)
    made = Departure(*(random_secrets.token_urlsafe(32) for _ in range(3)))
    address = openid.authorization_address(
        provider,
        client_id=row.client_id,
        redirect_uri=redirect_uri,
        state=made.state,
        nonce=made.nonce,
        verifier=made.verifier,
    )
    return address, made


def arrive(
    row: LoginProvider,
    *,
    code: str,
    issuer: str,
    departure: Departure,
    redirect_uri: str,
    now: datetime,
) -> Identity:
    """Who came back with that code; `issuer` is what the answer says of itself (RFC 9207).

    Raises ProviderFailed.
    """
    try:
        provider = _provider(row)
        if (issuer or provider.names_issuer) and issuer != provider.issuer:
            raise TokenRefused("the answer is of another issuer")
        answer = _exchange(row, provider, code, departure, redirect_uri)
        claims = _prove(provider, str(answer.get("id_token", "")))
        return openid.read_identity(
            claims,
            _userinfo(provider, claims, str(answer.get("access_token", ""))),
            issuer=provider.issuer,
            client_id=row.client_id,
            nonce=departure.nonce,
            now=now,
        )
    except (TokenRefused, Undecipherable) as error:
        log.warning("log-in by provider refused", issuer=row.issuer, reason=str(error))
        raise ProviderFailed from error


def forget(row: LoginProvider) -> None:
    """What this process remembers of the provider: it is asked anew."""
    kept = ("configuration", "keys", "keys asked")
    cache.delete_many([_name(what, row.issuer) for what in kept])


def _name(what: str, issuer: str) -> str:
    """Of an entry in the cache."""
    return f"openid.{what.replace(' ', '.')}.{hashlib.sha256(issuer.encode()).hexdigest()}"


def _provider(row: LoginProvider) -> Provider:
    name = _name("configuration", row.issuer)
    document = cache.get(name)
    if document is None:
        document = _get(row.issuer.rstrip("/") + openid.WELL_KNOWN)
    try:
        provider = openid.read_provider(document, issuer=row.issuer)
    except ProviderMalformed as error:
        cache.delete(name)
        log.warning("log-in provider cannot be used", issuer=row.issuer, reason=str(error))
        raise ProviderFailed from error
    cache.set(name, document, REMEMBERED_SECONDS)
    return provider


def _exchange(
    row: LoginProvider, provider: Provider, code: str, departure: Departure, redirect_uri: str
) -> dict[str, Any]:
    """The code for tokens. RFC 6749 §4.1.3, RFC 7636 §4.5."""
    secret = loginprovider.secret_of(row)
    given = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": departure.verifier,
    }
    credentials = None
    if secret and provider.takes_basic:
        # RFC 6749 §2.3.1: both are form-encoded first.
        credentials = (quote(row.client_id, safe=""), quote(secret, safe=""))
    else:
        given["client_id"] = row.client_id
        if secret:
            given["client_secret"] = secret
    return _ask("POST", provider.token_endpoint, data=given, auth=credentials)


def _prove(provider: Provider, text: str) -> Any:
    token = jwt.parse(text)
    name = _name("keys", provider.issuer)
    keys = cache.get(name)
    if keys is None or not jwt.keys_for(token, keys):
        asked = _name("keys asked", provider.issuer)
        if keys is not None and not cache.add(asked, True, KEYS_AGAIN_SECONDS):
            raise TokenRefused("its key is unknown")
        keys = _get(provider.jwks_uri)
        cache.set(name, keys, REMEMBERED_SECONDS)
    return jwt.prove(token, jwt.keys_for(token, keys))


def _userinfo(provider: Provider, claims: Any, access_token: str) -> dict[str, Any]:
    """Only where the token itself says nothing of an address."""
    if "email" in claims or not provider.userinfo_endpoint or not access_token:
        return {}
    return _ask(
        "GET", provider.userinfo_endpoint, headers={"Authorization": f"Bearer {access_token}"}
    )


def _get(address: str) -> dict[str, Any]:
    return _ask("GET", address)


def _ask(method: str, address: str, **more: Any) -> dict[str, Any]:
    """A JSON object; neither redirected nor larger than it may be. Raises ProviderFailed."""
    if not openid.is_safe(address):
        raise ProviderFailed
    more.setdefault("headers", {}).update(Accept="application/json")
    session = requests.Session()
    session.trust_env = False  # a .netrc would put its own password before what is given here
    try:
        with (
            session,
            session.request(
                method, address, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True, **more
            ) as answer,
        ):
            content = answer.raw.read(LARGEST_ANSWER_BYTES + 1, decode_content=True)
        if answer.status_code != requests.codes.ok or len(content) > LARGEST_ANSWER_BYTES:
            raise ValueError(f"status {answer.status_code}, {len(content)} bytes")
        found = json.loads(content)
        if not isinstance(found, dict):
            raise ValueError("not an object")
    except (requests.RequestException, OSError, ValueError, RecursionError) as error:
        log.warning("log-in provider does not answer", address=address, reason=str(error)[:200])
        raise ProviderFailed from error
    return found
