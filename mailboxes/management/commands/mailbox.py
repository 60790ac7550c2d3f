"""manage.py mailbox: export a whole mailbox into a file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from accounts.commandline import RoomCommand, verb
from accounts.management.commands.user import by_address
from events import audit
from jobs.progress import Progress
from mailboxes import exports


class Command(RoomCommand):
    help = "Exports the mailbox of a user as a ZIP file with an mbox for each folder."
    name = "mailbox"

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        export = verb(verbs, "export", "all mail of a user, with flags, as one ZIP file")
        export.add_argument("address")
        export.add_argument("file", help="the file to make, such as ann.zip")

    def do_export(self, options: dict[str, Any]) -> Any:
        user = by_address(options["address"])
        path = Path(options["file"]).absolute()
        if path.exists():
            raise CommandError(f"{path} is there already")
        try:
            written = exports.write(path, user, progress=Progress(job_id=0))
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from None
        with transaction.atomic():
            audit.record(None, "exported the mailbox", user)
        return {
            "file": str(path),
            "messages": written.messages,
            "bytes": path.stat().st_size,
            "damaged": written.damaged,
        }
