"""The command line of a list of networks, the same for blacklist and whitelist."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from domains.errors import Refused
from events.audit import acting_by_command
from operations import listing
from operations.addresses import normal_network
from operations.models import BlacklistEntry, WhitelistEntry

STANDARD_INPUT = "-"


class ListCommand(BaseCommand):
    """`list`, `add`, `delete`, `import`, `export`."""

    model: ClassVar[type[BlacklistEntry] | type[WhitelistEntry]]
    name: ClassVar[str]

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list").add_argument("--json", action="store_true", help="for programs")
        adding = verbs.add_parser("add")
        adding.add_argument("network", help="an address or a network such as 192.0.2.0/24")
        adding.add_argument("--services", default="", help="comma-separated; without it all")
        adding.add_argument("--note", default="")
        verbs.add_parser("delete").add_argument("network")
        verbs.add_parser("import").add_argument("file", help="CSV; - for standard input")
        verbs.add_parser("export", help="CSV to standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_by_command(self.name):
            try:
                getattr(self, f"_{options['verb']}")(options)
            except (Refused, OSError, UnicodeDecodeError) as error:
                raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        rows = self.model._default_manager.all()
        if options["json"]:
            entries = [
                {"network": row.network, "services": row.services, "note": row.note} for row in rows
            ]
            self.stdout.write(json.dumps(entries, indent=2))
            return
        for row in rows:
            services = ",".join(row.services) or "all"
            self.stdout.write(f"{row.network:<45} {services:<20} {row.note}")

    def _add(self, options: dict[str, Any]) -> None:
        row = listing.add(
            self.model,
            network=options["network"],
            services=options["services"].split(","),
            note=options["note"],
            by=None,
        )
        self.stdout.write(f"{row.network} is on the {self.name}")

    def _delete(self, options: dict[str, Any]) -> None:
        network = normal_network(options["network"])
        row = self.model._default_manager.filter(network=network).first()
        if row is None:
            raise CommandError(f"{network} is not on the {self.name}")
        listing.remove(row=row, by=None)
        self.stdout.write(f"{network} is no longer on the {self.name}")

    def _import(self, options: dict[str, Any]) -> None:
        name = options["file"]
        text = sys.stdin.read() if name == STANDARD_INPUT else Path(name).read_text("utf-8")
        done = listing.import_csv(self.model, text, by=None)
        for problem in done.problems:
            self.stderr.write(problem)
        self.stdout.write(f"{done.added} added, {done.present} were listed already")
        if done.problems:
            raise CommandError(f"{len(done.problems)} lines were not taken")

    def _export(self, options: dict[str, Any]) -> None:
        for piece in listing.export_csv(self.model):
            self.stdout.write(piece, ending="")
