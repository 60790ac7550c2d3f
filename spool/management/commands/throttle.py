"""manage.py throttle: who is held back by a limit of this hour, and letting them go on."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from clock.moments import utc_now
from events import audit
from spool import supposing
from spool.throttled import NotThrottled, Throttled, release, throttled
from spool.throttlepolicy import Payer, PayerUnknown, payer_by_name

HEADS = ("who", "reason", "numbers", "since (UTC)", "until (UTC)", "waiting")


class Command(BaseCommand):
    help = "Lists whom a limit of this hour holds back (domains, users, lists), or releases one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        shown = verbs.add_parser("list", help="who is throttled now, and why")
        released = verbs.add_parser("release", help="begin the allowance of this hour anew")
        released.add_argument("name", help="a domain, or the address of a user or a list")
        supposed = verbs.add_parser("forecast", help="when it would be through with another limit")
        supposed.add_argument("name", help="a domain, or the address of a user or a list")
        supposed.add_argument("--messages-per-hour", type=int, help="left out or 0: no limit")
        for verb in (shown, released, supposed):
            verb.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "list":
            self._list(throttled(utc_now()), is_json=options["json"])
            return
        try:
            payer = payer_by_name(options["name"])
        except PayerUnknown as error:
            raise CommandError(str(error)) from None
        if options["verb"] == "forecast":
            self._forecast(payer, options)
            return
        key = payer.key
        with audit.acting_by_command("throttle"):
            try:
                woken = release(kind=key.kind, key_id=key.key_id, by=None, now=utc_now())
            except NotThrottled:
                raise CommandError(f"{options['name']} is not throttled now") from None
        if options["json"]:
            self.stdout.write(json.dumps({"released": options["name"], "recipients": woken}))
        else:
            self.stdout.write(f"released {options['name']}: {woken:,} recipients may go on")

    def _forecast(self, payer: Payer, options: dict[str, Any]) -> None:
        limit = options["messages_per_hour"]
        if limit is not None and limit < 0:
            raise CommandError("--messages-per-hour must not be below 0")
        found = supposing.with_limit(payer=payer, messages_per_hour=limit, now=utc_now())
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "who": found.who,
                        "waiting": found.waiting,
                        "as it is": found.as_it_is.empty_at,
                        "supposed": found.supposed.empty_at,
                    },
                    default=str,
                )
            )
            return
        allowed = f"{limit:,} messages an hour" if limit else "no limit"
        self.stdout.write(f"{found.who}: {found.waiting:,} recipients wait")
        self.stdout.write(f"as it is: {found.as_it_is.words}")
        self.stdout.write(f"with {allowed}: {found.supposed.words}")

    def _list(self, rows: list[Throttled], *, is_json: bool) -> None:
        if is_json:
            self.stdout.write(json.dumps([asdict(row) for row in rows], default=str, indent=2))
            return
        if not rows:
            self.stdout.write("nobody is throttled")
            return
        console = Console(width=140)
        with console.capture() as shown:
            console.print(_table(rows))
        self.stdout.write(shown.get())


def _table(rows: list[Throttled]) -> Table:
    table = Table(*HEADS, title="Throttled")
    for row in rows:
        since, until = f"{row.since:%H:%M:%S}", f"{row.until:%H:%M}"
        table.add_row(row.who, row.reason, row.numbers, since, until, f"{row.waiting:,}")
    return table
