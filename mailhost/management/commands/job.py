"""manage.py job: what long jobs do, and their end."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events import audit
from jobs import selectors, services
from jobs.errors import JobError

MOST_SHOWN = 50


class Command(BaseCommand):
    help = "Lists background jobs, shows one with its log, or cancels it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list")
        for name in ("show", "cancel"):
            actions.add_parser(name).add_argument("number", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["action"] == "list":
                self._list()
            elif options["action"] == "show":
                self._show(options["number"])
            else:
                with audit.acting_by_command("job"):
                    services.cancel(options["number"], by=None)
        except JobError as error:
            raise CommandError(str(error)) from None

    def _list(self) -> None:
        for job in selectors.jobs()[:MOST_SHOWN]:
            percent = "" if job.percent is None else f"{job.percent} %"
            self.stdout.write(f"{job.pk}  {job.kind}  {job.state}  {percent}  {job.words}")

    def _show(self, number: int) -> None:
        job = selectors.job(number)
        self.stdout.write(f"{job.kind} {job.arguments}, started by {job.actor}: {job.state}")
        for at, words in job.notes:
            self.stdout.write(f"{at}  {words}")
        if job.error:
            self.stdout.write(job.error)
