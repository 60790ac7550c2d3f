"""manage.py tlspolicy: exceptions from the TLS policies of destinations, and policies in use."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from domains.errors import Refused
from events import audit
from transport import overrides, selectors
from transport.models import Level


class Command(BaseCommand):
    help = "Lists, sets and removes what encryption mail to single destinations must have."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listed = verbs.add_parser("list", help="the exceptions that are set")
        listed.add_argument("--json", action="store_true", help="for programs")
        known = verbs.add_parser("known", help="the MTA-STS policies that are kept")
        known.add_argument("--json", action="store_true", help="for programs")
        changed = verbs.add_parser("set", help="what counts whatever the destination says")
        changed.add_argument("destination", help="a domain, or .domain for all below it")
        changed.add_argument("level", choices=Level.values)
        changed.add_argument("--note")
        removed = verbs.add_parser("remove", help="the destination's own policies count again")
        removed.add_argument("destination")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] in ("list", "known"):
            rows = selectors.exceptions() if options["verb"] == "list" else selectors.policies()
            self._show(rows, as_json=options["json"])
            return
        with audit.acting_by_command("tlspolicy"):
            try:
                self._change(options)
            except Refused as error:
                raise CommandError(str(error)) from None

    def _change(self, options: dict[str, Any]) -> None:
        destination = options["destination"]
        if options["verb"] == "remove":
            overrides.remove_override(destination=destination, by=None)
        else:
            overrides.set_override(
                destination=destination, level=options["level"], note=options["note"], by=None
            )

    def _show(self, rows: list[dict[str, str]], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            self.stdout.write("  ".join(str(value) for value in row.values()).rstrip())
