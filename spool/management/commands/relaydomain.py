"""manage.py relaydomain: domains whose mail is taken and passed on to another server."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from domains.errors import Refused
from domains.names import read_name
from events import audit
from spool import relaydomains
from spool.models import RelayDomain


class Command(BaseCommand):
    help = "Lists, adds and removes domains whose mail is passed on to another server (backup MX)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        shown = verbs.add_parser("list", help="every relayed domain")
        shown.add_argument("--json", action="store_true", help="for programs")
        add = verbs.add_parser("add", help="take its mail from anywhere")
        add.add_argument("name")
        add.add_argument("--host", default="", help="where it goes; without: by MX")
        add.add_argument("--port", type=int, default=25)
        add.add_argument(
            "--all-recipients", action="store_true", help="do not ask that server about recipients"
        )
        add.add_argument(
            "--one-recipient-at-a-time", action="store_true", help="a transaction for each"
        )
        remove = verbs.add_parser("remove", help="take no more mail for it")
        remove.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "list":
            self._list(as_json=options["json"])
            return
        with audit.acting_by_command("relaydomain"):
            try:
                self._change(options)
            except Refused as error:
                raise CommandError(str(error)) from None

    def _change(self, options: dict[str, Any]) -> None:
        if options["verb"] == "add":
            values = {
                "host": options["host"],
                "port": options["port"],
                "verify_recipients": not options["all_recipients"],
                "one_recipient_at_a_time": options["one_recipient_at_a_time"],
            }
            relaydomains.add(name=options["name"], values=values, by=None)
            return
        row = RelayDomain.objects.filter(name=read_name(options["name"]).name).first()
        if row is None:
            raise CommandError(f"{options['name']} is not relayed")
        relaydomains.remove(row=row, by=None)

    def _list(self, *, as_json: bool) -> None:
        names = ("name", "is_enabled", "host", "port", "verify_recipients", "note")
        rows = list(RelayDomain.objects.values(*names, "one_recipient_at_a_time"))
        if as_json:
            self.stdout.write(json.dumps(rows))
            return
        for row in rows:
            way = f"{row['host']}:{row['port']}" if row["host"] else "by MX"
            self.stdout.write(f"{row['name']:40} {way:30} {row['note']}".rstrip())
