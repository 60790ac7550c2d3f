"""`manage.py service`: the services, how they stand on each machine; starts and stops them."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from domains.errors import Refused
from events.audit import acting_by_command
from operations import services, servicestate
from operations.models import Service
from operations.servicestate import ServiceStanding

ALL = "all"


class Command(BaseCommand):
    help = "Lists, starts and stops the services of the server."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="how they stand")
        for verb in ("start", "stop"):
            switching = verbs.add_parser(verb, help=f"{verb} one service, or all of them")
            switching.add_argument("service", choices=[*Service.values, ALL])
            self._add_node_and_json(switching)
        self._add_node_and_json(listing)

    @staticmethod
    def _add_node_and_json(parser: CommandParser) -> None:
        parser.add_argument("--node", type=int, help="one machine; without it all of them")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        node = options["node"]
        if options["verb"] == "list":
            found = [one for one in servicestate.standings() if node in (None, one.node)]
        else:
            found = self._switch(options["verb"], options["service"], node)
        if options["json"]:
            self.stdout.write(json.dumps([_describe(one) for one in found], indent=2))
            return
        for one in found:
            words = one.reason or one.warning
            self.stdout.write(
                f"{one.node:<3} {one.label:<15} {one.state:<9} {one.sessions:>6} sessions  {words}"
            )

    def _switch(self, verb: str, service: str, node: int | None) -> list[ServiceStanding]:
        with acting_by_command("service"):
            try:
                if service == ALL:
                    act_on_all = services.start_all if verb == "start" else services.stop_all
                    return act_on_all(node=node, by=None)
                act = services.start if verb == "start" else services.stop
                return act(service, node=node, by=None)
            except Refused as error:
                raise CommandError(str(error)) from error


def _describe(one: ServiceStanding) -> dict[str, Any]:
    return {
        "service": one.service,
        "node": one.node,
        "wanted": one.is_wanted,
        "state": one.state,
        "reason": one.reason,
        "warning": one.warning,
        "sessions": one.sessions,
        "processes": [
            {"pid": each.pid, "state": each.state, "reason": each.reason} for each in one.processes
        ],
    }
