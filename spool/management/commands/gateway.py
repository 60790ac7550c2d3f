"""manage.py gateway: lists, tries out and switches gateways, and says how they are doing."""

from __future__ import annotations

import dataclasses
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from clock.moments import utc_now
from events import audit
from spool import gatewayhealth, gateways
from spool.gatewaytest import test_gateway
from spool.models import Gateway

Rows = list[dict[str, Any]]


class Command(BaseCommand):
    help = "Lists, tries out, enables and disables gateways, and says how they are doing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, words in (
            ("list", "every gateway and what it takes"),
            ("health", "queues, last errors and what was sent this hour"),
            ("test", "connect, encrypt, log in, and show what was said; sends no mail"),
            ("enable", "let it take mail again"),
            ("disable", "its mail takes another way from the next attempt on"),
        ):
            sub = verbs.add_parser(verb, help=words)
            sub.add_argument("--json", action="store_true", help="for programs")
            if verb in ("test", "enable", "disable"):
                sub.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        verb = options["verb"]
        if verb == "list":
            self._show([_row(gateway) for gateway in Gateway.objects.all()], options)
        elif verb == "health":
            found = gatewayhealth.health(now=utc_now())
            self._show([dataclasses.asdict(one) for one in found], options)
        elif verb == "test":
            self._test(_gateway(options["name"]), options)
        else:
            with audit.acting_by_command("gateway"):
                gateways.change(
                    gateway=_gateway(options["name"]),
                    values={"is_enabled": verb == "enable"},
                    by=None,
                )
            self._show([_row(_gateway(options["name"]))], options)

    def _test(self, gateway: Gateway, options: dict[str, Any]) -> None:
        found = test_gateway(gateway)
        if options["json"]:
            self.stdout.write(json.dumps(dataclasses.asdict(found)))
        else:
            for line in found.dialogue:
                self.stdout.write(line)
            self.stdout.write(("it works: " if found.is_ok else "it fails: ") + found.reply)
        if not found.is_ok:
            raise CommandError(f"{gateway} cannot be used: {found.reply}")

    def _show(self, rows: Rows, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(rows, default=str))
            return
        if not rows:
            self.stdout.write("There are no gateways: mail goes to the servers of its domain.")
            return
        table = Table(*(name.replace("_", " ") for name in rows[0]))
        for row in rows:
            table.add_row(*(_words(value) for value in row.values()))
        console = Console(width=180, markup=False)
        with console.capture() as shown:
            console.print(table)
        self.stdout.write(shown.get())


def _gateway(name: str) -> Gateway:
    found = Gateway.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"there is no gateway {name!r}")
    return found


def _row(gateway: Gateway) -> dict[str, Any]:
    scope = gateways.scope_of(gateway)
    return {
        "name": gateway.name,
        "is_enabled": gateway.is_enabled,
        "host": gateway.host,
        "port": gateway.port,
        "use_mx": gateway.use_mx,
        "encryption": gateway.encryption,
        "username": gateway.username,
        "minimum_priority": gateway.minimum_priority,
        "maximum_priority": gateway.maximum_priority,
        "destinations": scope["destinations"],
        "sending_domains": scope["sending_domains"],
        "fall_back_to_direct": gateway.fall_back_to_direct,
        "one_recipient_at_a_time": gateway.one_recipient_at_a_time,
    }


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "any"
    return "" if value is None else str(value)
