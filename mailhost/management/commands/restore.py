"""manage.py restore: a backup back into an empty server."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clock.moments import utc_now
from events import audit
from mailhost import firststart
from mailhost.backup import restoring
from mailhost.backup.contents import BackupError
from mailhost.firststart import AlreadyRunning


class Command(BaseCommand):
    help = "Restores a backup into an empty MAILHOST_DATA; the server must not run."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="what ./manage backup has made")
        parser.add_argument(
            "--moved",
            action="store_true",
            help="the old server was stopped before the backup: waiting mail is not held, and "
            "mail programs keep what they have loaded",
        )
        parser.add_argument("--json", action="store_true", help="the answer for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            firststart.claim_data()
            with audit.acting_by_command("restore"):
                done = restoring.restore(
                    options["folder"], now=utc_now(), is_moved=options["moved"]
                )
        except (AlreadyRunning, BackupError) as error:
            raise CommandError(str(error)) from None
        made_at = done.contents.made_at
        if options["json"]:
            self.stdout.write(json.dumps({"made_at": made_at.isoformat(), "held": done.held}))
            return
        self.stdout.write(f"Restored the server as it was at {made_at:%Y-%m-%d %H:%M:%S} UTC.")
        if done.held:
            self.stdout.write(
                f"{done.held:,} messages are held, as they may have been delivered since: look "
                "at them with ./manage spool list, let them go with ./manage spool release --all."
            )
