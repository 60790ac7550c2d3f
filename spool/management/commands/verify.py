"""manage.py verify: recounts every counter and reference; --repair sets them right."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mailboxes.verify import verify, verify_references
from spool.references import count_references


class Command(BaseCommand):
    help = (
        "Recounts folders, usage and references of stored messages against their rows;"
        " exit code 1 if one is wrong. The server may run meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="set right what is wrong")

    def handle(self, *args: Any, **options: Any) -> None:
        repair: bool = options["repair"]
        found = verify(repair=repair)
        found += verify_references(count_references, repair=repair)
        for difference in found:
            self.stdout.write(str(difference))
        if not found:
            self.stdout.write("All counters and references are right.")
        elif repair:
            self.stdout.write(f"{len(found):,} set right.")
        else:
            sys.exit(1)
