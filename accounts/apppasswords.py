"""App passwords: one for each program of a user, with its own services (U-015)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts import passwords, rows
from accounts.models import AppPassword, User
from accounts.settings import LOGIN
from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from domains.values import replace
from events.audit import Actor
from protocols import hmac_md5

SCOPES = ("smtp", "imap", "pop", "ldap", "dav")


def add(
    *, user: User, name: str, by: Actor | None, scopes: Sequence[str] = ()
) -> tuple[AppPassword, str]:
    """A password made here and told once. No `scopes`: all services. Raises ValuesRefused."""
    password = secrets.token_urlsafe(18)
    encoded = passwords.hash_app_password(password)
    state = hmac_md5.derive_state(password.encode()) if LOGIN.read().cram_md5 else b""
    row = store(user=user, name=name, encoded=encoded, cram_md5_state=state, by=by, scopes=scopes)
    return row, password


@transaction.atomic
def store(
    *,
    user: User,
    name: str,
    encoded: str,
    by: Actor | None,
    cram_md5_state: bytes = b"",
    scopes: Sequence[str] = (),
    created_at: datetime | None = None,
    last_used_at: datetime | None = None,
) -> AppPassword:
    """One whose hash exists already; `created_at` None: now. Raises ValuesRefused."""
    user = rows.lock(user)
    row = AppPassword(user=user, password=encoded, created_at=created_at or utc_now())
    row.last_used_at = last_used_at
    row.cram_md5_state = passwords.seal_cram_md5(cram_md5_state)
    replace(row, {"name": name, "scopes": list(scopes)}, fields=("name", "scopes"))
    if unknown := set(scopes) - set(SCOPES):
        raise ValuesRefused((Problem("scopes", f"there is no service {min(unknown)}"),))
    if AppPassword.objects.filter(user=user, name=row.name).exists():
        raise ValuesRefused((Problem("name", "is in use for another app password"),))
    row.save(force_insert=True)
    rows.finish(user, "added app password", {"name": (None, row.name)}, by)
    return row


@transaction.atomic
def remove(*, app_password: AppPassword, by: Actor | None) -> None:
    user = rows.lock(app_password.user)
    name = app_password.name
    app_password.delete()
    rows.finish(user, "removed app password", {"name": (name, None)}, by)
