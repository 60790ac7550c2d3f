"""manage.py log: search a log and download it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clock.moments import utc_now
from events import audit
from logbook.kinds import Kind
from logbook.reading import NoLog
from operations import logs


class Command(BaseCommand):
    help = "Searches the logs of services by day, or writes one as a ZIP file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        search = actions.add_parser("search", help="lines in which all words occur")
        download = actions.add_parser("download", help="the whole log of a day as a ZIP file")
        days = actions.add_parser("days", help="the days that have a log")
        for action in (search, download, days):
            action.add_argument("kind", choices=[kind.value for kind in Kind])
        for action in (search, download):
            action.add_argument("--day", type=date.fromisoformat, help="UTC; default: today")
            action.add_argument("--domain", action="append", help="only lines of this domain")
        search.add_argument("words", nargs="*")
        search.add_argument("--related", action="store_true", help="with the whole sessions")
        download.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        kind = Kind(options["kind"])
        if options["action"] == "days":
            for day in logs.days(kind):
                self.stdout.write(day.isoformat())
            return
        day = options["day"] or utc_now().date()
        domains = frozenset(options["domain"]) if options["domain"] else None
        try:
            if options["action"] == "search":
                self._search(kind, day, domains, options)
            else:
                self._download(kind, day, domains, options["file"])
        except NoLog:
            raise CommandError(f"no {kind} log of {day.isoformat()}") from None

    def _search(
        self, kind: Kind, day: date, domains: frozenset[str] | None, options: dict[str, Any]
    ) -> None:
        text = " ".join(options["words"])
        related = options["related"]
        found = logs.search(kind=kind, day=day, text=text, has_related=related, domains=domains)
        for hit in found.hits:
            mark = "* " if related and hit.is_hit else "  " if related else ""
            self.stdout.write(f"{mark}{hit.line.shown()}")
        if found.is_cut:
            sys.stderr.write("Cut: this is the newest megabyte; `log download` has all.\n")
        if found.is_late:
            sys.stderr.write("Not all: the time for the search was over.\n")

    def _download(self, kind: Kind, day: date, domains: frozenset[str] | None, path: Path) -> None:
        with audit.acting_by_command("log"):
            pieces = logs.download(kind=kind, day=day, by=None, domains=domains)
        with path.open("wb") as out:
            for piece in pieces:
                out.write(piece)
