"""manage.py spool: what is in the spool, and the operator's verbs on it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from blobs.errors import BadId, StoreError
from blobs.ids import decode_id, encode_id
from clock.moments import utc_now
from domains import selectors as domain_selectors
from domains.errors import Refused
from events import audit
from spool import (
    deleting,
    holding,
    lost,
    lostviewing,
    requeueing,
    selectors,
    services,
    statistics,
    summaries,
    tables,
    undoing,
    viewing,
)
from spool.changing import Done
from spool.errors import MessageGone, MessageUnknown, SpoolFull
from spool.holding import NewHoldRule
from spool.listing import Column, MessageRow, View
from spool.lost import LostUnknown
from spool.models import HoldRule
from spool.requeueing import NotRequeued
from spool.searchbox import FilterMalformed, read_filter
from spool.selection import ANYTHING, NothingSelected, Selection, SpoolFilter
from spool.undoing import NotUndoable
from spool.ways import Way, WayMalformed

COLUMNS = {column.name.lower().replace("_", "-"): column for column in Column}
AHEAD = timedelta(minutes=1)  # ids may run before the clock
EXAMPLES = """
A filter is words and key:value pairs, such as `to:@example.net status:retrying older:2h`. Keys:
sender, recipient (from, to), domain, destination, status, id, priority, older, younger, origin,
gateway. --dry-run says how many messages a verb would meet.
"""
REFUSALS = (
    Refused, NothingSelected, FilterMalformed, WayMalformed, NotUndoable, MessageGone,
    MessageUnknown, StoreError, LostUnknown, NotRequeued, SpoolFull,
)  # fmt: skip


class Command(BaseCommand):
    help = "Lists the spool, or acts on messages in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = EXAMPLES
        verbs = parser.add_subparsers(dest="verb", required=True)
        self._add_looks(verbs)
        for verb, words in (
            ("force", "deliver now, before everything else"),
            ("reset", "start over, as if nothing had been tried"),
            ("release", "let go what an operator or a rule holds"),
        ):
            _add_choice(verbs.add_parser(verb, help=words))
        priority = verbs.add_parser("priority", help="1 (last) to 10 (first), or auto")
        priority.add_argument("value")
        _add_choice(priority)
        route = verbs.add_parser("route", help="auto, direct, gateway:NUMBER or host:NAME:PORT")
        route.add_argument("value")
        _add_choice(route)
        hold = verbs.add_parser("hold", help="keep back until it is released")
        hold.add_argument("--reason", required=True)
        _add_choice(hold)
        quarantine = verbs.add_parser("quarantine", help="hold, and remove after some days")
        quarantine.add_argument("--reason", required=True)
        _add_choice(quarantine)
        delete = verbs.add_parser("delete", help="take out of the spool; senders are not told")
        delete.add_argument("--now", action="store_true", help="without time to undo it")
        delete.add_argument("--undo-seconds", type=int, default=10, help="1 to 3600")
        _add_choice(delete)
        undo = verbs.add_parser("undo", help="take back what a verb did")
        undo.add_argument("change", help="the change's id, as the verb printed it")
        self._add_rules(verbs)
        self._add_lost(verbs)

    def _add_looks(self, verbs: Any) -> None:
        shown = verbs.add_parser("list", help="what is there, oldest first")
        shown.add_argument("--filter", default="", metavar="TEXT")
        shown.add_argument("--waiting", action="store_true", help="not what is in work")
        shown.add_argument("--quarantine", action="store_true", help="what is in quarantine")
        shown.add_argument("--sort", choices=sorted(COLUMNS))
        shown.add_argument("--descending", action="store_true")
        shown.add_argument("--most", type=int, default=100, help="rows: 25, 50, 100, 250 or 1000")
        shown.add_argument("--json", action="store_true")
        counted = verbs.add_parser("count", help="how many messages there are")
        counted.add_argument("--filter", default="", metavar="TEXT")
        for verb, words in (
            ("view", "header and text of a message"),
            ("source", "the bytes of a message"),
            ("recipients", "each recipient of a message, and what was tried"),
        ):
            looked = verbs.add_parser(verb, help=words)
            looked.add_argument("ids", nargs=1, metavar="id")
        changes = verbs.add_parser("changes", help="what has been done to the spool")
        changes.add_argument("--most", type=int, default=20)
        numbers = verbs.add_parser("statistics", help="size, age, rates and destinations")
        numbers.add_argument("--json", action="store_true")
        numbers.add_argument("--measure", action="store_true", help="count anew first")

    def _add_rules(self, verbs: Any) -> None:
        rules = verbs.add_parser("rules", help="standing holds that catch future mail")
        acts = rules.add_subparsers(dest="act", required=True)
        acts.add_parser("list")
        added = acts.add_parser("add", help="hold what fits, now and in future")
        for name in ("--sender", "--recipient", "--destination", "--domain"):
            added.add_argument(name, default="")
        added.add_argument("--reason", required=True)
        added.add_argument("--quarantine", action="store_true", help="put it in quarantine")
        added.add_argument("--hours", type=float, help="released after so many")
        removed = acts.add_parser("remove", help="and release what it holds")
        removed.add_argument("rule", type=int)

    def _add_lost(self, verbs: Any) -> None:
        lost_mail = verbs.add_parser("lost", help="what crashes have left in lost+found")
        acts = lost_mail.add_subparsers(dest="act", required=True)
        shown = acts.add_parser("list", help="what lies there, and what becomes of it")
        shown.add_argument("--json", action="store_true")
        for act, words in (
            ("view", "header and text of one"),
            ("requeue", "put it into the spool now, even if it came again since"),
            ("delete", "for good"),
        ):
            acts.add_parser(act, help=words).add_argument("id")

    def handle(self, *args: Any, **options: Any) -> None:
        verb = options["verb"]
        look = getattr(self, f"_show_{verb}", None)
        try:
            with audit.acting_by_command("spool"):
                if look is not None:
                    look(options)
                else:
                    self._act(verb, options)
        except REFUSALS as error:
            raise CommandError(str(error)) from error

    def _act(self, verb: str, options: dict[str, Any]) -> None:
        now = utc_now()
        selection = _selection(options)
        if options["dry_run"]:
            count = selection.messages(now=now).count()
            self.stdout.write(f"{count:,} messages would be met: {selection}")
            return
        done = _VERBS[verb](selection, options, now)
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(done), "change_id": _name(done)}))
            return
        self.stdout.write(str(done))
        if verb in ("priority", "hold", "quarantine", "release", "route") or (
            verb == "delete" and not options["now"]
        ):
            self._tell_undo(done)

    def _tell_undo(self, done: Done) -> None:
        if done.change_id is not None:
            self.stdout.write(f"To undo: manage.py spool undo {encode_id(done.change_id)}")

    def _show_undo(self, options: dict[str, Any]) -> None:
        count = undoing.undo(change_id=_read_id(options["change"]), by=None, now=utc_now())
        self.stdout.write(f"{count:,} messages are as they were before")

    def _show_list(self, options: dict[str, Any]) -> None:
        now = utc_now()
        # Whoever asks by command wants to see the youngest mail too.
        summaries.list_all(now=now + summaries.LISTED_AFTER + AHEAD)
        page = selectors.page(
            None,
            now=now,
            filter=_read_filter(options["filter"]),
            view=_view(options),
            column=_column(options),
            descending=options["descending"],
            rows=options["most"],
        )
        if options["json"]:
            self.stdout.write(json.dumps([_plain(row) for row in page.rows], indent=1))
        else:
            self.stdout.write(tables.messages(page))

    def _show_count(self, options: dict[str, Any]) -> None:
        count = selectors.count(None, now=utc_now(), filter=_read_filter(options["filter"]))
        self.stdout.write(f"{count} messages in the spool")

    def _show_view(self, options: dict[str, Any]) -> None:
        message = selectors.message_for(None, _read_id(options["ids"][0]))
        self.stdout.write(tables.view(viewing.view(message=message, by=None, now=utc_now())))

    def _show_source(self, options: dict[str, Any]) -> None:
        message = selectors.message_for(None, _read_id(options["ids"][0]))
        _, content = viewing.download(message=message, by=None, now=utc_now())
        self.stdout.write(content.decode("utf-8", "surrogateescape"), ending="")

    def _show_recipients(self, options: dict[str, Any]) -> None:
        message = selectors.message_for(None, _read_id(options["ids"][0]))
        self.stdout.write(tables.recipients(viewing.recipients(None, message)))

    def _show_changes(self, options: dict[str, Any]) -> None:
        changes = selectors.changes_for(None, limit=options["most"])
        self.stdout.write(tables.changes(changes, now=utc_now()))

    def _show_statistics(self, options: dict[str, Any]) -> None:
        now = utc_now()
        if options["measure"]:
            statistics.measure(now=now)
        found = statistics.current(now=now)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(found), default=str, indent=1))
        else:
            self.stdout.write(tables.numbers(found))

    def _show_rules(self, options: dict[str, Any]) -> None:
        now = utc_now()
        if options["act"] == "list":
            self.stdout.write(tables.rules(HoldRule.objects.order_by("pk")))
            return
        if options["act"] == "remove":
            rule = HoldRule.objects.filter(pk=options["rule"]).first()
            if rule is None:
                raise CommandError(f"there is no rule {options['rule']}")
            done = holding.remove_rule(rule=rule, by=None, now=now)
            self.stdout.write(f"removed; of what it held: {done}")
            return
        new = _new_rule(options, now)
        rule, done = holding.add_rule(new=new, by=None, now=now)
        self.stdout.write(f"rule {rule.pk}; of what is in the spool: {done}")

    def _show_lost(self, options: dict[str, Any]) -> None:
        now = utc_now()
        lost.take_in(now=now)
        if options["act"] == "list":
            rows = lost.listed()
            if options["json"]:
                self.stdout.write(json.dumps([tables.plain_lost(row) for row in rows], indent=1))
            else:
                self.stdout.write(tables.lost(rows))
            return
        row = lost.by_id(_read_id(options["id"]))
        if options["act"] == "view":
            self.stdout.write(tables.view(lostviewing.view(row=row, by=None)))
            return
        if options["act"] == "delete":
            lost.delete(row=row, by=None)
            self.stdout.write("deleted")
            return
        message_id = requeueing.requeue_by_hand(row=row, by=None, now=now)
        self.stdout.write(f"it is in the spool as {encode_id(message_id)}")


def _view(options: dict[str, Any]) -> View:
    if options["quarantine"]:
        return View.QUARANTINE
    return View.WAITING if options["waiting"] else View.ALL


def _column(options: dict[str, Any]) -> Column:
    if options["sort"]:
        return COLUMNS[options["sort"]]
    return Column.REMOVED_AT if options["quarantine"] else Column.FILE_NAME


def _add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="id", help="spool ids")
    parser.add_argument("--filter", default="", metavar="TEXT", help="all messages that fit")
    parser.add_argument("--all", action="store_true", help="every message in the spool")
    parser.add_argument("--dry-run", action="store_true", help="count only")
    parser.add_argument("--json", action="store_true")


def _selection(options: dict[str, Any]) -> Selection:
    if bool(options["ids"]) + bool(options["filter"]) + options["all"] != 1:
        raise CommandError("name messages by their ids, or say --filter or --all")
    if options["all"]:
        return Selection.everything()
    if options["filter"]:
        return Selection.matching(read_filter(options["filter"]))
    return Selection.of([_read_id(text) for text in options["ids"]])


_Act = Callable[[Selection, dict[str, Any], datetime], Done]

_VERBS: dict[str, _Act] = {
    "force": lambda which, _, now: services.force(selection=which, by=None, now=now),
    "reset": lambda which, _, now: services.reset_retries(selection=which, by=None, now=now),
    "release": lambda which, _, now: holding.release(selection=which, by=None, now=now),
    "hold": lambda which, options, now: holding.hold(
        selection=which, reason=options["reason"], by=None, now=now
    ),
    "quarantine": lambda which, options, now: holding.quarantine(
        selection=which, reason=options["reason"], by=None, now=now
    ),
    "priority": lambda which, options, now: services.set_priority(
        selection=which, priority=_read_priority(options["value"]), by=None, now=now
    ),
    "route": lambda which, options, now: services.change_way(
        selection=which, way=Way.parse(options["value"]), by=None, now=now
    ),
    "delete": lambda which, options, now: deleting.delete(
        selection=which,
        by=None,
        now=now,
        at_once=options["now"],
        undo_for=timedelta(seconds=min(max(options["undo_seconds"], 1), 3600)),
    ),
}


def _new_rule(options: dict[str, Any], now: datetime) -> NewHoldRule:
    name, hours = options["domain"], options["hours"]
    return NewHoldRule(
        sender=options["sender"],
        recipient=options["recipient"],
        destination=options["destination"],
        domain=domain_selectors.by_name(name) if name else None,
        reason=options["reason"],
        until=None if hours is None else now + timedelta(hours=hours),
        quarantines=options["quarantine"],
    )


def _read_filter(text: str) -> SpoolFilter:
    return read_filter(text) if text else ANYTHING


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


def _name(done: Done) -> str | None:
    return None if done.change_id is None else encode_id(done.change_id)


def _plain(row: MessageRow) -> dict[str, Any]:
    return {
        "id": row.file_name,
        **asdict(row),
        "accepted_at": row.accepted_at.isoformat(),
        "time_in_spool": int(row.time_in_spool.total_seconds()),
        "next_at": row.next_at.isoformat() if row.next_at else None,
        "removed_at": row.removed_at.isoformat() if row.removed_at else None,
    }
