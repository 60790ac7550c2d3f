"""Logging in by another house's word: the addresses and claims of OpenID Connect Core 1.0."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from protocols.jwt import TokenRefused

WELL_KNOWN = "/.well-known/openid-configuration"
SCOPES = "openid email"
LONGEST_SUBJECT = 255  # OpenID Connect Core §2
LONGEST_ADDRESS = 320
# Clocks of two houses differ.
SKEW = timedelta(minutes=2)
# How a provider says that a second factor was shown. RFC 8176 §2.
SECOND_FACTORS = frozenset({"otp", "hwk", "swk", "fpt", "face", "iris", "sc", "sms", "tel"})


class ProviderMalformed(Exception):
    """What the provider says of itself cannot be used."""


@dataclass(frozen=True, slots=True)
class Provider:
    """What a provider says of itself (OpenID Connect Discovery §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    takes_basic: bool = True  # the secret in a header, else in the body
    names_issuer: bool = False  # RFC 9207: the answer has to say who gave it


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, by the provider's word. `address` empty: none that it has verified."""

    issuer: str
    subject: str
    address: str
    has_second_factor: bool


def is_safe(address: str) -> bool:
    """Encrypted, or on this machine, where nobody listens."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    return parts.scheme == "http" and host in ("127.0.0.1", "::1", "localhost")


def read_provider(document: object, *, issuer: str) -> Provider:
    """Raises ProviderMalformed."""
    if not isinstance(document, dict):
        raise ProviderMalformed("its configuration is not an object")
    # Discovery §4.3: else another provider could speak for this one.
    if document.get("issuer") != issuer:
        raise ProviderMalformed("its configuration names another issuer")
    found = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        value = document.get(name, "")
        if not isinstance(value, str) or (value and not is_safe(value)):
            raise ProviderMalformed(f"its {name} is not an https address")
        if not value and name != "userinfo_endpoint":
            raise ProviderMalformed(f"it has no {name}")
        found[name] = value
    ways = document.get("token_endpoint_auth_methods_supported")
    return Provider(
        issuer=issuer,
        **found,
        takes_basic=not isinstance(ways, list) or "client_secret_basic" in ways,
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def challenge(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorization_address(
    provider: Provider, *, client_id: str, redirect_uri: str, state: str, nonce: str, verifier: str
) -> str:
    """Where the browser goes to."""
    asked = urlencode(
        {
            "response_type": "code",
            "scope": SCOPES,
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
    )
    joint = "&" if urlsplit(provider.authorization_endpoint).query else "?"
    return f"{provider.authorization_endpoint}{joint}{asked}"


def read_identity(
    claims: Mapping[str, Any],
    userinfo: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    now: datetime,
) -> Identity:
    """Of proven claims. Raises TokenRefused. OpenID Connect Core §3.1.3.7, §5.3.2."""
    if claims.get("iss") != issuer:
        raise TokenRefused("another issuer's")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        raise TokenRefused("for somebody else")
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        raise TokenRefused("given to somebody else")
    if not nonce or claims.get("nonce") != nonce:
        raise TokenRefused("of another log-in")
    _require_time(claims, now)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise TokenRefused("without a subject")
    if userinfo and userinfo.get("sub") != subject:
        raise TokenRefused("its user info is about somebody else")
    ways = claims.get("amr")
    shown = {way for way in ways if isinstance(way, str)} if isinstance(ways, list) else set()
    return Identity(
        issuer=issuer,
        subject=subject,
        address=_verified_address(claims) or _verified_address(userinfo),
        has_second_factor="mfa" in shown or ("pwd" in shown and bool(shown & SECOND_FACTORS)),
    )


def _require_time(claims: Mapping[str, Any], now: datetime) -> None:
    ends, issued = claims.get("exp"), claims.get("iat")
    for value in (ends, issued):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TokenRefused("without its times")
    seconds, skew = now.timestamp(), SKEW.total_seconds()
    assert isinstance(ends, int | float) and isinstance(issued, int | float)
    if not seconds < ends + skew:
        raise TokenRefused("over")
    if not issued - skew <= seconds:
        raise TokenRefused("of the future")


def _verified_address(claims: Mapping[str, Any]) -> str:
    """Nobody is anybody by an address that he only says is his."""
    address, is_verified = claims.get("email"), claims.get("email_verified")
    if is_verified is not True or not isinstance(address, str) or len(address) > LONGEST_ADDRESS:
        return ""
    return address.strip()
