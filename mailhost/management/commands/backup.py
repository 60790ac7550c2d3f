"""manage.py backup: a copy of the whole server, made while it runs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clock.moments import utc_now
from mailhost.backup import taking
from mailhost.backup.contents import BackupError


class Command(BaseCommand):
    help = "Copies database, mail, keys and certificates into a new folder; the server may run."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="is made; holds secrets: guard it")
        parser.add_argument("--json", action="store_true", help="the answer for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        def tell(words: str) -> None:
            if options["verbosity"] and not options["json"]:
                self.stdout.write(words)
                self.stdout.flush()

        try:
            made = taking.take(options["folder"], now=utc_now(), tell=tell)
        except BackupError as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            facts = {
                "folder": str(options["folder"].absolute()),
                "made_at": made.made_at.isoformat(),
                "files": made.files,
                "size_bytes": made.size_bytes,
            }
            self.stdout.write(json.dumps(facts))
        else:
            megabytes = -(-made.size_bytes // (1024 * 1024))
            self.stdout.write(f"{made.files:,} files, {megabytes:,} MB, in {options['folder']}")
