"""manage.py apply: makes the server what a YAML file says."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from events import audit
from mailhost.provisioning.applying import Outcome, apply
from mailhost.provisioning.entries import FileEntry
from mailhost.provisioning.nodes import Problem, Unreadable
from mailhost.provisioning.reading import read
from mailhost.provisioning.steps import Choices, Step

STANDARD_INPUT = "-"
# A bar for fewer domains would be gone before anybody saw it.
BAR_FROM = 20


class Command(BaseCommand):
    help = "Makes domains, users and settings what a YAML file says; prints what it changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the YAML file; - for standard input")
        parser.add_argument("--dry-run", action="store_true", help="change nothing, only tell")
        parser.add_argument(
            "--prune",
            action="store_true",
            help="remove what the lists of the file do not name (of domains in the file)",
        )
        parser.add_argument(
            "--over-limits",
            action="store_true",
            help="open domains with more than their limits allow, as a snapshot may have them",
        )
        parser.add_argument(
            "--allow-weak-passwords", action="store_true", help="for test sites only"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["file"]
        try:
            file = read(_text_of(name))
        except Unreadable as error:
            self._report(name, error.problems)
            raise CommandError("nothing was changed") from None
        choices = Choices(
            is_dry_run=options["dry_run"],
            allow_weak=options["allow_weak_passwords"],
            prune=options["prune"],
            over_limits=options["over_limits"],
            promised_domains=frozenset(entry.name for entry in file.domains),
            promised_resellers=frozenset(entry.username for entry in file.resellers),
        )
        with audit.acting_by_command("apply"):
            outcome = self._apply(file, choices)
        self._report(name, outcome.problems)
        self._close(outcome, choices)

    def _apply(self, file: FileEntry, choices: Choices) -> Outcome:
        console = Console(highlight=False, markup=False, soft_wrap=True)
        if not console.is_terminal or len(file.domains) < BAR_FROM:
            return apply(file, choices, by=None, tell=self._tell)
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("domains", total=len(file.domains))
            return apply(
                file,
                choices,
                by=None,
                tell=lambda step: progress.console.print(str(step)),
                advance=lambda: progress.advance(task),
            )

    def _tell(self, step: Step) -> None:
        self.stdout.write(str(step))

    def _report(self, name: str, problems: list[Problem]) -> None:
        for problem in sorted(problems):
            place = f"{name}:{problem.place.line}:{problem.place.column}"
            self.stderr.write(f"{place}: {problem.reason}")

    def _close(self, outcome: Outcome, choices: Choices) -> None:
        done = "would change" if choices.is_dry_run else "changed"
        count = f"{outcome.steps} {'thing' if outcome.steps == 1 else 'things'}"
        self.stdout.write(f"{done} {count}" if outcome.steps else "nothing to change")
        if outcome.problems:
            raise CommandError(f"{len(outcome.problems)} parts of the file were not applied")


def _text_of(name: str) -> str:
    """Raises CommandError."""
    try:
        if name == STANDARD_INPUT:
            return sys.stdin.read()
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read {name}: {error}") from None
