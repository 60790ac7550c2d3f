"""Who asks: a token or a session of the panel, for which scopes, and how often."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, cast

from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import ClearTextLogin, User
from accounts.settings import LOGIN
from api import scopes, tokens
from api.errors import EncryptionNeeded, ScopeMissing
from api.models import ApiToken
from clock.moments import utc_now

READING = ("GET", "HEAD", "OPTIONS")
SCHEME = "Bearer"
# Guessing is hopeless, but each guess costs a look into the database.
FAILURES_PER_MINUTE = 60
SESSION_REQUESTS_PER_MINUTE = 600


def client_address(request: HttpRequest | Request) -> str:
    """Empty if it is not known."""
    return str(request.META.get("REMOTE_ADDR", ""))


def actor_of(request: Request) -> User:
    """Whoever asks; only behind `HasScope`."""
    return cast(User, request.user)


def token_of(request: Request) -> ApiToken | None:
    """None: a session of the panel."""
    return request.auth if isinstance(request.auth, ApiToken) else None


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer mh_…` RFC 6750."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Raises AuthenticationFailed, Throttled, EncryptionNeeded."""
        scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        _require_encryption(request)
        address = client_address(request)
        failures = f"api-failures:{address}"
        if cache.get(failures, 0) >= FAILURES_PER_MINUTE:
            raise Throttled(wait=60)
        token = tokens.find(key.strip(), client_address=address, now=utc_now())
        if token is None:
            cache.add(failures, 0, timeout=60)
            cache.incr(failures)
            raise AuthenticationFailed("the token is unknown, has expired or was revoked")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return f'{SCHEME} realm="MailHost"'


class PanelSession(SessionAuthentication):
    """Whoever is logged in to the panel; changes need its CSRF token."""


class HasScope(BasePermission):
    """Somebody must ask, and a token must be good for the view's resource."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        token = token_of(request)
        if token is not None and view.scope:
            way = scopes.READ if request.method in READING else scopes.WRITE
            if not scopes.allows(token.scopes, view.scope, way):
                raise ScopeMissing(f"{view.scope}:{way}")
        return True


class RateLimit(SimpleRateThrottle):
    """Requests a minute: each token has its own number."""

    rate = f"{SESSION_REQUESTS_PER_MINUTE}/min"

    def allow_request(self, request: Request, view: Any) -> bool:
        token = token_of(request)
        if token is not None:
            self.num_requests = token.requests_per_minute
        return bool(super().allow_request(request, view))

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        token = token_of(request)
        if token is not None:
            return f"api-token:{token.pk}"
        return f"api-user:{request.user.pk}" if request.user.is_authenticated else None


def _require_encryption(request: Request) -> None:
    """The same rule as for passwords (N-006)."""
    if request.is_secure():
        return
    policy = LOGIN.read().clear_text_login
    if policy == ClearTextLogin.ALLOW:
        return
    try:
        is_loopback = ip_address(client_address(request)).is_loopback
    except ValueError:
        is_loopback = False
    if policy == ClearTextLogin.NEVER or not is_loopback:
        raise EncryptionNeeded
