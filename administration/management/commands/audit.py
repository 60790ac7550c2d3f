"""manage.py audit: who changed what, and taking it back (X-005)."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from administration import selectors, undo
from domains.errors import Refused
from events import audit
from events.models import AuditEntry

SHOWN = 50


class Command(BaseCommand):
    help = "Lists the audit trail, shows what one operation changed, or undoes it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="command", required=True)
        listed = verbs.add_parser("list", help="the latest entries that fit")
        listed.add_argument("query", nargs="*", help="words, actor:X, object:X, since:2026-01-31")
        listed.add_argument("--limit", type=int, default=SHOWN)
        shown = verbs.add_parser("show", help="every entry of an operation, with old and new")
        undone = verbs.add_parser("undo", help="set the old values again, all or nothing")
        undone.add_argument("--skip-conflicts", action="store_true", help="leave what moved on")
        undone.add_argument("--dry-run", action="store_true", help="only say what is in the way")
        undone.add_argument("--reason", default="", help="kept in the audit trail")
        for one in (shown, undone):
            one.add_argument("entry", type=int, help="the number of one of its entries")
            one.add_argument("--only", action="store_true", help="this entry alone")
        for one in (listed, shown, undone):
            one.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["command"] == "list":
            wanted = selectors.matching(" ".join(options["query"]), of=None)
            found = selectors.audit_for(None).filter(wanted)
            self._tell(list(found[: max(1, options["limit"])]), options)
            return
        try:
            entries = selectors.operation_for(None, entry=options["entry"])
            if options["only"]:
                entries = [entry for entry in entries if entry.pk == options["entry"]]
            if options["command"] == "show":
                self._tell(entries, options)
            else:
                self._undo(entries, options)
        except Refused as error:
            raise CommandError(str(error)) from None

    def _undo(self, entries: list[AuditEntry], options: dict[str, Any]) -> None:
        if options["dry_run"]:
            conflicts = undo.rehearse(entries, by=None)
            done: tuple[AuditEntry, ...] = () if conflicts else tuple(entries)
        else:
            with audit.acting_by_command("audit undo"), audit.because(options["reason"]):
                outcome = undo.undo(entries, by=None, skip_conflicts=options["skip_conflicts"])
            conflicts, done = outcome.conflicts, outcome.entries
        if options["json"]:
            told = {"undone": [entry.pk for entry in done], "conflicts": list(map(str, conflicts))}
            self.stdout.write(json.dumps(told))
            return
        verb = "could be undone" if options["dry_run"] else "undone"
        for entry in done:
            self.stdout.write(f"{verb}: {entry}")
        for conflict in conflicts:
            self.stderr.write(str(conflict))

    def _tell(self, entries: list[AuditEntry], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps([_facts(entry) for entry in entries], indent=2))
            return
        table = Table("number", "at (UTC)", "who", "what", "object", "changes")
        for entry in entries:
            who = f"{entry.actor} as {entry.impersonated}" if entry.impersonated else entry.actor
            at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
            changes = "\n".join(
                f"{name}: {old} -> {new}" for name, (old, new) in entry.changes.items()
            )
            table.add_row(str(entry.pk), at, who, entry.verb, entry.object_name, changes)
        console = Console(width=160, markup=False)
        with console.capture() as captured:
            console.print(table)
        self.stdout.write(captured.get())


def _facts(entry: AuditEntry) -> dict[str, Any]:
    names = (
        "actor", "impersonated", "client_address", "verb", "object_type", "object_id",
        "object_name", "changes", "operation", "reason", "undoes",
    )  # fmt: skip
    facts = {name: getattr(entry, name) for name in names}
    return {"number": entry.pk, "at": entry.at.isoformat(), **facts}
