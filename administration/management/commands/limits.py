"""manage.py limits: which limits hold for the server, a domain or a user, and what is left."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from accounts.models import User
from administration import limits
from administration.limits import Ceiling, InForce
from clock.moments import utc_now
from domains.errors import DomainUnknown
from units import sizes


class Command(BaseCommand):
    help = "Shows the limits in force: every ceiling from the system down, and what is left."

    def add_arguments(self, parser: ArgumentParser) -> None:
        name = "a domain, or a user's address; without it, what all domains together may have"
        parser.add_argument("name", nargs="?", help=name)
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            name = options["name"]
            found = limits.of_name(name, now=utc_now()) if name else limits.of_server()
        except (DomainUnknown, User.DoesNotExist):
            raise CommandError(f"there is no domain or user {options['name']}") from None
        if options["json"]:
            told = [_facts(one) for one in found]
            self.stdout.write(json.dumps(told, default=str, indent=2))
            return
        heads = ("limit", "allowed", "used", "left", "set by", "begins anew (UTC)", "all ceilings")
        table = Table(*heads)
        for one in found:
            table.add_row(
                one.limit.replace("_", " "),
                _number(one.allowed, one.unit, "no limit"),
                _number(one.used, one.unit),
                _number(one.left, one.unit),
                one.binding.source if one.binding else "",
                f"{one.resets_at:%H:%M}" if one.resets_at and one.binding else "",
                "; ".join(_ceiling(ceiling, one.unit) for ceiling in one.chain),
            )
        console = Console(width=170, markup=False)
        with console.capture() as captured:
            console.print(table)
        self.stdout.write(captured.get())


def _facts(one: InForce) -> dict[str, Any]:
    names = ("allowed", "used", "left")
    binding = one.binding.source if one.binding else None
    return asdict(one) | {name: getattr(one, name) for name in names} | {"binding": binding}


def _ceiling(ceiling: Ceiling, unit: str) -> str:
    return f"{ceiling.source}: {_number(ceiling.allowed, unit, 'none')}"


def _number(number: int | None, unit: str, otherwise: str = "") -> str:
    if number is None:
        return otherwise
    if unit == "bytes":
        return sizes.in_words(number)
    return f"{number:,}"
