"""manage.py singledestination: who gets each message once for every recipient."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from domains.errors import Refused
from events import audit
from spool import singly
from spool.gateways import read_destination
from spool.models import SingleDestination


class Command(BaseCommand):
    help = "Lists, adds and removes destinations to which mail goes one recipient at a time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        shown = verbs.add_parser("list", help="all of them")
        shown.add_argument("--json", action="store_true", help="for programs")
        add = verbs.add_parser("add", help="one transaction for each recipient from now on")
        add.add_argument("name", help="a domain, or .domain for all below it")
        add.add_argument("--note", default="")
        remove = verbs.add_parser("remove", help="recipients share transactions again")
        remove.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "list":
            self._list(as_json=options["json"])
            return
        with audit.acting_by_command("singledestination"):
            try:
                if options["verb"] == "add":
                    singly.add(name=options["name"], note=options["note"], by=None)
                else:
                    singly.remove(row=_row(options["name"]), by=None)
            except Refused as error:
                raise CommandError(str(error)) from None

    def _list(self, *, as_json: bool) -> None:
        rows = [{"name": row.name, "note": row.note} for row in SingleDestination.objects.all()]
        if as_json:
            self.stdout.write(json.dumps(rows))
            return
        for row in rows:
            self.stdout.write(f"{row['name']:40} {row['note']}".rstrip())


def _row(text: str) -> SingleDestination:
    name = read_destination(text)
    found = SingleDestination.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"{name} is not listed")
    return found
