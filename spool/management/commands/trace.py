"""manage.py trace: tells what became of a message."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clock.moments import utc_now
from spool import telling, trace


class Command(BaseCommand):
    help = "Tells in words what became of messages, or of all recent mail of an address."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "what", nargs="+", help="a spool id, a Message-ID, or an address of either side"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        unknown = [what for what in options["what"] if not self._tell(what)]
        if unknown:
            raise CommandError(
                f"nothing is known of {', '.join(unknown)}: it was never handed in here, or so"
                " long ago that the record has been removed"
            )

    def _tell(self, what: str) -> bool:
        """Whether there was anything to tell."""
        found = trace.find(what)
        now = utc_now()
        for message in found.messages:
            self.stdout.write(telling.tell(trace.trace(message), now=now))
        for refused in found.refused:
            self.stdout.write(telling.tell_refused(refused))
        return bool(found.messages or found.refused)
