"""manage.py verify: recounts every counter and reference; --repair sets them right."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from blobs import reconcile
from blobs.models import Area
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
        self._tell_of_lost_files()
        for difference in found:
            self.stdout.write(str(difference))
        if not found:
            self.stdout.write("All counters and references are right.")
        elif repair:
            self.stdout.write(f"{len(found):,} set right.")
        else:
            sys.exit(1)

    def _tell_of_lost_files(self) -> None:
        """No fault: what a crash left of messages that were never accepted."""
        files = [path.stat() for path in reconcile.buried(Area.objects.order_by("id"))]
        if files:
            size_kb = sum(file.st_size for file in files) // 1024 + 1
            self.stdout.write(
                f"lost+found holds {len(files):,} files ({size_kb:,} KB) of messages whose"
                " acceptance was cut off by a crash: see manage.py spool lost list."
            )
