"""`manage.py sessions`: who is connected now, over all processes; ends a session."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from blobs.errors import BadId
from blobs.ids import decode_id, encode_id
from events.audit import acting
from operations import connections
from operations.models import Connection
from units import moments


class Command(BaseCommand):
    help = "Lists the sessions that are open now, or ends one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--end", metavar="ID", help="end this session")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["end"]:
            self._end(options["end"])
            return
        rows = connections.current()
        accounts = User.objects.select_related("domain").in_bulk(
            {row.account_id for row in rows if row.account_id}
        )
        described = [_describe(row, accounts) for row in rows]
        if options["json"]:
            self.stdout.write(json.dumps(described, indent=2))
            return
        for one in described:
            who = one["account"] or "nobody yet"
            tls = "TLS" if one["encrypted"] else "clear"
            self.stdout.write(
                f"{one['id']}  {one['service']:<5} {one['client']:<45} {tls:<5} {who}"
                f"  since {one['since']}"
            )

    def _end(self, text: str) -> None:
        try:
            number = decode_id(text)
        except BadId as error:
            raise CommandError(f"{text} is no session's id") from error
        with acting(name="command line"):
            found = connections.end(number, by=None)
        if not found:
            raise CommandError(f"there is no session {text}")
        self.stdout.write(f"session {text} is told to end")


def _describe(row: Connection, accounts: dict[int, User]) -> dict[str, Any]:
    account = accounts.get(row.account_id or 0)
    return {
        "id": encode_id(row.pk),
        "service": row.service,
        "client": f"{row.client_address}:{row.client_port}",
        "encrypted": row.is_encrypted,
        "account": str(account) if account else None,
        "since": moments.to_the_second(row.started_at),
    }
