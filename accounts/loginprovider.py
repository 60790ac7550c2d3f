"""The other house by whose word people may log in: what is set of it, off until it is set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts import secrets
from accounts.models import LoginProvider
from domains.errors import Problem, ValuesRefused
from domains.values import replace, settable_fields
from events import audit
from events.audit import Actor
from protocols.openid import is_safe

KEY = 1
PURPOSE = "login provider"
FIELDS = settable_fields(LoginProvider)
LONGEST_SECRET = 500


def read() -> LoginProvider:
    """As it is set now; not saved yet where nothing was."""
    return LoginProvider.objects.filter(pk=KEY).first() or LoginProvider(pk=KEY)


def offered() -> LoginProvider | None:
    """None: nobody logs in that way."""
    return LoginProvider.objects.filter(pk=KEY, is_enabled=True).first()


def secret_of(row: LoginProvider) -> str:
    """Empty: none. Raises Undecipherable."""
    sealed = bytes(row.sealed_secret)
    return secrets.decrypt(PURPOSE, sealed).decode() if sealed else ""


@transaction.atomic
def change(
    *, values: Mapping[str, Any], by: Actor | None, client_secret: str | None = None
) -> LoginProvider:
    """Set what is given; None: it stays; an empty secret takes it away. Raises ValuesRefused."""
    LoginProvider.objects.get_or_create(pk=KEY)
    row = LoginProvider.objects.select_for_update().get(pk=KEY)
    changes = replace(row, values, fields=FIELDS)
    if client_secret is not None:
        if len(client_secret) > LONGEST_SECRET:
            raise ValuesRefused((Problem("client_secret", "is too long"),))
        changes["client_secret"] = (bytes(row.sealed_secret), client_secret)
        row.sealed_secret = (
            secrets.encrypt(PURPOSE, client_secret.encode()) if client_secret else b""
        )
    if changes:
        _check(row)
        row.save()
        audit.record(by, "changed login provider", row, changes)
    return row


def _check(row: LoginProvider) -> None:
    problems = []
    if row.issuer and not is_safe(row.issuer):
        problems.append(Problem("issuer", "must be an https address"))
    if "?" in row.issuer or "#" in row.issuer:
        problems.append(Problem("issuer", "must have neither a query nor a fragment"))
    if row.is_enabled:
        problems += [
            Problem(name, "is needed before it is offered")
            for name in ("name", "issuer", "client_id")
            if not getattr(row, name)
        ]
    if problems:
        raise ValuesRefused(tuple(problems))
