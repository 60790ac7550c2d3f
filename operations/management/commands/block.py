"""`manage.py block`: who is blocked for now; blocks by hand, and lifts blocks."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from domains.errors import Refused
from events.audit import acting_by_command
from operations import blocks
from operations.models import Block

HOUR = 3600


class Command(BaseCommand):
    help = "Lists the blocks that stand now, adds one, or deletes some."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="those that stand now")
        listing.add_argument("--service", default="", help="smtp, imap, pop, ldap or web")
        listing.add_argument("--kind", default="", help="such as harvesting or guessing")
        adding = verbs.add_parser("add", help="block an address or a network for a while")
        adding.add_argument("network")
        adding.add_argument("--service", default="", help="only this one")
        adding.add_argument("--seconds", type=int, default=HOUR)
        adding.add_argument("--note", default="")
        deleting = verbs.add_parser("delete", help="let a party in again at once")
        deleting.add_argument("network", help="as the list shows it, or the list's id")
        for each in (listing, adding, deleting):
            each.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_by_command("block"):
            try:
                found = getattr(self, f"_{options['verb']}")(options)
            except Refused as error:
                raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps([_describe(row) for row in found], indent=2))
            return
        for row in found:
            one = _describe(row)
            self.stdout.write(
                f"{one['id']:<6} {one['party']:<45} {one['service'] or 'all':<5}"
                f" {one['rule'] or 'by hand':<22} until {one['until'] or 'lifted'}"
                f"  {one['hits']} hits"
            )

    def _list(self, options: dict[str, Any]) -> QuerySet[Block]:
        rows = blocks.standing()
        if options["service"]:
            rows = rows.filter(service__in=("", options["service"]))
        return rows.filter(kind=options["kind"]) if options["kind"] else rows

    def _add(self, options: dict[str, Any]) -> list[Block]:
        row = blocks.add(
            network=options["network"],
            service=options["service"],
            seconds=options["seconds"],
            note=options["note"],
            by=None,
        )
        return [row]

    def _delete(self, options: dict[str, Any]) -> list[Block]:
        text = options["network"]
        rows = blocks.standing()
        chosen = list(rows.filter(pk=int(text)) if text.isdigit() else rows.filter(network=text))
        if not chosen:
            raise CommandError(f"there is no block of {text}")
        for row in chosen:
            number = row.pk
            blocks.lift(block=row, by=None)
            row.pk = number
        return chosen


def _describe(row: Block) -> dict[str, Any]:
    return {
        "id": row.pk,
        "party": str(row),
        "service": row.service,
        "rule": str(row.rule) if row.rule else row.kind,
        "since": row.since.isoformat(timespec="seconds"),
        "until": row.until.isoformat(timespec="seconds") if row.until else None,
        "hits": row.hits,
        "note": row.note,
    }
