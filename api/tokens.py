"""The verbs on tokens: issue, revoke, and find whose a key is."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from accounts.models import User
from api.models import ApiToken
from api.scopes import ALL, SCOPES, within
from domains.errors import Problem, ValuesRefused
from domains.values import replace
from events import audit
from events.audit import Actor

PREFIX = "mh_"
_KEY_BYTES = 32
_HINT_LENGTH = 9
MOST_REQUESTS_PER_MINUTE = 60_000
# So that a busy program does not write a row with every request.
USE_IS_NOTED_EVERY = timedelta(minutes=1)


def digest(key: str) -> str:
    """A key is 256 random bits, so a plain hash hides it as well as a slow one."""
    return hashlib.sha256(key.encode()).hexdigest()


@transaction.atomic
def issue(
    *,
    user: User,
    name: str,
    by: Actor | None,
    now: datetime,
    scopes: Sequence[str] = (ALL,),
    expires_at: datetime | None = None,
    requests_per_minute: int = 600,
    within_token: ApiToken | None = None,
) -> tuple[ApiToken, str]:
    """A new token and its key, which is told this once. Raises ValuesRefused.

    `within_token`: the token that asks; the new one opens nothing more and lives no longer.
    """
    row = ApiToken(user=user, scopes=list(dict.fromkeys(scopes)), created_at=now)
    given = {"name": name, "requests_per_minute": requests_per_minute}
    replace(row, given, fields=("name", "requests_per_minute"))
    row.expires_at = expires_at
    _check(row, now)
    if within_token is not None:
        _check_within(row, within_token)
    key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    row.digest, row.hint = digest(key), key[:_HINT_LENGTH]
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise ValuesRefused((Problem("name", "is in use for another token"),)) from None
    audit.record(by, "issued API token", row, {"scopes": (None, row.scopes)})
    return row, key


@transaction.atomic
def revoke(*, token: ApiToken, by: Actor | None) -> None:
    """It opens nothing from the next request on."""
    audit.record(by, "revoked API token", token)
    token.delete()


def find(key: str, *, client_address: str, now: datetime) -> ApiToken | None:
    """The token of the key, if it opens anything now: None if not, whatever the reason."""
    if not key.startswith(PREFIX) or len(key) > 100:
        return None
    token = ApiToken.objects.select_related("user__domain").filter(digest=digest(key)).first()
    if token is None or (token.expires_at is not None and token.expires_at <= now):
        return None
    domain = token.user.domain
    if not token.user.is_active or (domain is not None and domain.is_deleting):
        return None
    _note_use(token, client_address, now)
    return token


def _note_use(token: ApiToken, client_address: str, now: datetime) -> None:
    if token.last_used_at is not None and now - token.last_used_at < USE_IS_NOTED_EVERY:
        return
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=client_address)


def _check(row: ApiToken, now: datetime) -> None:
    problems = []
    if not row.scopes:
        problems.append(Problem("scopes", "a token needs at least one"))
    if unknown := sorted(set(row.scopes) - set(SCOPES)):
        problems.append(Problem("scopes", f"there is no scope {unknown[0]}"))
    if row.expires_at is not None and row.expires_at <= now:
        problems.append(Problem("expires_at", "must be in the future"))
    if not 1 <= row.requests_per_minute <= MOST_REQUESTS_PER_MINUTE:
        problems.append(Problem("requests_per_minute", f"must be 1 to {MOST_REQUESTS_PER_MINUTE}"))
    if problems:
        raise ValuesRefused(tuple(problems))


def _check_within(row: ApiToken, parent: ApiToken) -> None:
    problems = []
    if not within(row.scopes, parent.scopes):
        problems.append(Problem("scopes", "must not go beyond those of the token that asks"))
    ends = parent.expires_at
    if ends is not None and (row.expires_at is None or row.expires_at > ends):
        problems.append(Problem("expires_at", "must not be after that of the token that asks"))
    if row.requests_per_minute > parent.requests_per_minute:
        problems.append(
            Problem("requests_per_minute", "must not be above that of the asking token")
        )
    if problems:
        raise ValuesRefused(tuple(problems))
