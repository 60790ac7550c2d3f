"""manage.py recyclebin: deleted users and domains, restored or removed for good."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import recyclebin
from domains.errors import Refused
from events import audit


class Command(BaseCommand):
    help = "Lists what was deleted and can be restored; restores it, or removes it for good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="command", required=True)
        verbs.add_parser("list").add_argument("--json", action="store_true", help="for programs")
        for verb in ("restore", "purge"):
            verbs.add_parser(verb).add_argument("number", type=int, help="as `list` tells it")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["command"] == "list":
            self._list(is_json=options["json"])
            return
        try:
            item = recyclebin.recycled_item(None, options["number"])
            with audit.acting_by_command("recyclebin"):
                if options["command"] == "purge":
                    recyclebin.purge(item=item, by=None)
                    self.stdout.write(f"removed {item}")
                    return
                problems = recyclebin.restore(item=item, by=None)
        except Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"restored {item}")
        for problem in problems:
            self.stderr.write(problem)

    def _list(self, *, is_json: bool) -> None:
        rows = recyclebin.recycled_for(None).values(
            "id", "kind", "name", "deleted_at", "deleted_by", "purge_at"
        )
        if is_json:
            self.stdout.write(json.dumps(list(rows), default=str, indent=2))
            return
        for row in rows:
            since, until = f"{row['deleted_at']:%Y-%m-%d}", f"{row['purge_at']:%Y-%m-%d}"
            what = f"{row['id']:>6}  {row['kind']:<6}  {row['name']}"
            self.stdout.write(f"{what}  deleted {since} by {row['deleted_by']}, goes {until}")
