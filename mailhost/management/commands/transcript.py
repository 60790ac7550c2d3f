"""manage.py transcript: record what is said with one user or address for some minutes."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clock.moments import utc_now
from domains.errors import ValuesRefused
from events import audit
from operations import transcripts
from operations.models import Transcript
from operations.transcripts import TranscriptUnknown


class Command(BaseCommand):
    help = "Records the dialogue of one user, address or client; passwords and mail are left out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        start = actions.add_parser("start", help="record from now on")
        start.add_argument("subject", help="mail address, or a client's IP address")
        start.add_argument("--minutes", type=int, default=10)
        for name in ("show", "stop"):
            actions.add_parser(name).add_argument("number", type=int)
        actions.add_parser("list")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with audit.acting_by_command("transcript"):
                getattr(self, f"_{options['action']}")(options)
        except (TranscriptUnknown, ValuesRefused) as error:
            raise CommandError(str(error)) from None

    def _start(self, options: dict[str, Any]) -> None:
        lasting = timedelta(minutes=options["minutes"])
        row = transcripts.start(subject=options["subject"], by=None, now=utc_now(), lasting=lasting)
        self.stdout.write(f"{row.pk}")

    def _stop(self, options: dict[str, Any]) -> None:
        transcripts.stop(options["number"], by=None, now=utc_now())

    def _show(self, options: dict[str, Any]) -> None:
        for line in transcripts.read(transcripts.transcript(options["number"])):
            self.stdout.write(line.shown())

    def _list(self, options: dict[str, Any]) -> None:
        for row in Transcript.objects.all()[:100]:
            end = row.stopped_at or row.ends_at
            self.stdout.write(
                f"{row.pk}  {row.started_at:%Y-%m-%d %H:%M}–{end:%H:%M} UTC  {row.subject}"
            )
