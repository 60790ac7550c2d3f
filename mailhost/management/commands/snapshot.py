"""manage.py snapshot: writes a YAML file from which `apply` makes the same server."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.secrets import Undecipherable
from domains.errors import DomainUnknown
from mailhost.provisioning.snapshot import Extent, write


class Command(BaseCommand):
    help = "Writes the server's settings, domains and users as a file for apply."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domains", nargs="*", metavar="DOMAIN", help="only these domains")
        parser.add_argument(
            "--secrets", action="store_true", help="with password hashes and passwords of gateways"
        )
        parser.add_argument("--short", action="store_true", help="without what is the default")
        parser.add_argument("--output", help="a file for the owner's eyes, instead of the screen")

    def handle(self, *args: Any, **options: Any) -> None:
        extent = Extent(has_secrets=options["secrets"], is_short=options["short"])
        pieces = write(extent, options["domains"])
        try:
            if options["output"] is None:
                for piece in pieces:
                    self.stdout.write(piece, ending="")
                return
            _write(Path(options["output"]), pieces)
        except (DomainUnknown, Undecipherable, OSError) as error:
            raise CommandError(f"no snapshot was written: {error}") from None


def _write(path: Path, pieces: Iterable[str]) -> None:
    """Beside the goal first: a snapshot that fails leaves the old one as it was."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.touch(mode=0o600, exist_ok=False)
        with fresh.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
