"""manage.py token: issues, lists and revokes tokens of the API."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from api import tokens
from api.models import ApiToken
from api.scopes import ALL
from clock.moments import utc_now
from domains.errors import Refused
from events import audit


class Command(BaseCommand):
    help = "Issues, lists and revokes tokens of the API. A key is shown once, when it is made."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="a new token of a user")
        create.add_argument("user", help="a name without domain, or an address")
        create.add_argument("name", help="what the token is for")
        create.add_argument("--scopes", default=ALL, help="comma-separated; * for all (default)")
        create.add_argument("--days", type=int, help="how long it lives; left out: for ever")
        create.add_argument("--per-minute", type=int, default=600, help="requests a minute")
        create.add_argument("--json", action="store_true")
        shown = verbs.add_parser("list", help="the tokens of a user, or of all")
        shown.add_argument("user", nargs="?")
        shown.add_argument("--json", action="store_true")
        revoke = verbs.add_parser("revoke", help="it opens nothing from now on")
        revoke.add_argument("id", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        with audit.acting_by_command("token"):
            try:
                getattr(self, f"_{options['verb']}")(options)
            except Refused as error:
                raise CommandError(str(error)) from None

    def _create(self, options: dict[str, Any]) -> None:
        now, days = utc_now(), options["days"]
        row, key = tokens.issue(
            user=_user(options["user"]),
            name=options["name"],
            scopes=[scope.strip() for scope in options["scopes"].split(",")],
            expires_at=now + timedelta(days=days) if days is not None else None,
            requests_per_minute=options["per_minute"],
            by=None,
            now=now,
        )
        if options["json"]:
            self.stdout.write(json.dumps({**_told(row), "key": key}))
            return
        self.stdout.write(f"issued token {row.pk} for {row.user}: {', '.join(row.scopes)}")
        self.stdout.write(f"key (shown this once): {key}")

    def _list(self, options: dict[str, Any]) -> None:
        rows = ApiToken.objects.select_related("user__domain")
        if options["user"]:
            rows = rows.filter(user=_user(options["user"]))
        told = [_told(row) for row in rows]
        if options["json"]:
            self.stdout.write(json.dumps(told))
            return
        for one in told:
            ends = one["expires_at"] or "never"
            words = f"{one['user']}: {one['name']} [{', '.join(one['scopes'])}], expires {ends}"
            self.stdout.write(f"{one['id']} {one['hint']}… {words}")

    def _revoke(self, options: dict[str, Any]) -> None:
        row = ApiToken.objects.filter(pk=options["id"]).first()
        if row is None:
            raise CommandError(f"there is no token {options['id']}")
        tokens.revoke(token=row, by=None)
        self.stdout.write(f"revoked token {options['id']}")


def _user(name: str) -> User:
    try:
        return User.objects.get_by_natural_key(name)
    except User.DoesNotExist:
        raise CommandError(f"there is no user {name}") from None


def _told(row: ApiToken) -> dict[str, Any]:
    return {
        "id": row.pk,
        "user": str(row.user),
        "name": row.name,
        "hint": row.hint,
        "scopes": row.scopes,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
        "last_used_at": row.last_used_at.isoformat() if row.last_used_at else None,
    }
