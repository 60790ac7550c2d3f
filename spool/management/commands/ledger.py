"""manage.py ledger: proves that every accepted recipient has an end or still waits."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from spool.ledger import ENDS
from spool.proof import Balance, balances


class Command(BaseCommand):
    help = (
        "Proves, domain by domain, that accepted = ends + still in the spool; exit code 1 if not."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        found = balances()
        console = Console(width=140)
        with console.capture() as shown:
            console.print(_table(found))
        self.stdout.write(shown.get())
        uneven = [balance for balance in found if not balance.is_even]
        for balance in uneven:
            self.stderr.write(
                f"{balance.domain}: {balance.missing} of {balance.accepted} accepted recipients"
                " have neither an end nor a place in the spool"
            )
        if uneven:
            sys.exit(1)
        total = sum(balance.accepted for balance in found)
        self.stdout.write(f"Even: each of {total:,} accepted recipients is accounted for.")


def _table(found: list[Balance]) -> Table:
    table = Table("domain", title="Ledger, in recipients")
    for name in ("accepted", *ENDS, "in the spool", "missing"):
        table.add_column(name, justify="right")
    for balance in found:
        numbers = (balance.accepted, *balance.ends.values(), balance.waiting, balance.missing)
        table.add_row(balance.domain, *(f"{number:,}" for number in numbers))
    return table
