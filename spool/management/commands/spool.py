"""manage.py spool: what waits, and the operator's verbs on it."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from blobs.errors import BadId
from blobs.ids import decode_id, encode_id
from clock.moments import utc_now
from events import audit
from spool import selectors, services
from spool.selectors import WaitingMessage
from spool.services import Done

MOST_LISTED = 100


class Command(BaseCommand):
    help = "Lists the spool, or forces, resets, re-prioritises or deletes messages in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        shown = verbs.add_parser("list", help="what waits, oldest first")
        shown.add_argument("--most", type=int, default=MOST_LISTED, help="rows to show")
        verbs.add_parser("count", help="how many messages wait")
        for verb, words in (
            ("force", "deliver now, before everything else"),
            ("reset", "start over, as if nothing had been tried"),
            ("delete", "take out of the spool; senders are not told"),
        ):
            _add_choice(verbs.add_parser(verb, help=words))
        priority = verbs.add_parser("priority", help="1 (last) to 10 (first), or auto")
        priority.add_argument("value")
        _add_choice(priority)

    def handle(self, *args: Any, **options: Any) -> None:
        verb = options["verb"]
        if verb == "list":
            self._list(options["most"])
        elif verb == "count":
            self.stdout.write(f"{selectors.count_waiting()} messages in the spool")
        else:
            with audit.acting(name=f"{getpass.getuser()} (manage.py spool)"):
                done = _act(verb, options)
            self.stdout.write(f"{done.done} done, {done.skipped} skipped: no longer in the spool")

    def _list(self, most: int) -> None:
        console = Console(width=160)
        with console.capture() as shown:
            console.print(_table(selectors.waiting(limit=most)))
        self.stdout.write(shown.get())


def _add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="id", help="spool ids")
    parser.add_argument("--all", action="store_true", help="every message in the spool")


def _act(verb: str, options: dict[str, Any]) -> Done:
    now = utc_now()
    if bool(options["ids"]) == options["all"]:
        raise CommandError("name messages by their ids, or say --all")
    if options["all"]:
        return _act_on_all(verb, options)
    ids = [_read_id(text) for text in options["ids"]]
    if verb == "force":
        return services.force(message_ids=ids, by=None, now=now)
    if verb == "reset":
        return services.reset_retries(message_ids=ids, by=None, now=now)
    if verb == "delete":
        return services.delete(message_ids=ids, by=None, now=now)
    priority = _read_priority(options["value"])
    return services.set_priority(message_ids=ids, priority=priority, by=None, now=now)


def _act_on_all(verb: str, options: dict[str, Any]) -> Done:
    now = utc_now()
    if verb == "force":
        return services.force_all(by=None, now=now)
    if verb == "reset":
        return services.reset_all_retries(by=None, now=now)
    if verb == "delete":
        return services.delete_all(by=None, now=now)
    return services.set_all_priorities(priority=_read_priority(options["value"]), by=None, now=now)


def _read_id(text: str) -> int:
    try:
        return int(text) if text.isdecimal() and len(text) != 13 else decode_id(text)
    except BadId as error:
        raise CommandError(str(error)) from error


def _read_priority(text: str) -> int | None:
    if text == "auto":
        return None
    if text not in {str(value) for value in range(1, 11)}:
        raise CommandError("a priority is 1 to 10, or auto")
    return int(text)


def _table(messages: list[WaitingMessage]) -> Table:
    table = Table(title="Spool")
    for name in ("id", "sender", "to", "KB", "done", "tries", "next", "priority", "status"):
        table.add_column(name)
    for message in messages:
        due = message.due_at.strftime("%d %b %H:%M:%S") if message.due_at else ""
        table.add_row(
            encode_id(message.message_id), message.sender or "<>", message.recipients,
            f"{message.size_kb:,}", f"{message.done}/{message.total}", str(message.attempts), due,
            str(message.priority), message.status,
        )  # fmt: skip
    return table
