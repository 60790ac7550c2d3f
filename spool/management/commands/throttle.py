"""manage.py throttle: who is held back by a limit of this hour, and letting them go on."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from accounts import directory as account_directory
from clock.moments import utc_now
from domains import directory as domain_directory
from events import audit
from mailinglists.errors import ListUnknown
from mailinglists.selectors import list_by_address
from protocols.address import Address, MalformedAddress, parse_domain
from spool.throttle import Key, Kind
from spool.throttled import NotThrottled, Throttled, release, throttled

HEADS = ("who", "reason", "numbers", "since (UTC)", "until (UTC)", "waiting")


class Command(BaseCommand):
    help = "Lists whom a limit of this hour holds back (domains, users, lists), or releases one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        shown = verbs.add_parser("list", help="who is throttled now, and why")
        released = verbs.add_parser("release", help="begin the allowance of this hour anew")
        released.add_argument("name", help="a domain, or the address of a user or a list")
        for verb in (shown, released):
            verb.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "list":
            self._list(throttled(utc_now()), is_json=options["json"])
            return
        key = _key_of(options["name"])
        with audit.acting_by_command("throttle"):
            try:
                woken = release(kind=key.kind, key_id=key.key_id, by=None, now=utc_now())
            except NotThrottled:
                raise CommandError(f"{options['name']} is not throttled now") from None
        if options["json"]:
            self.stdout.write(json.dumps({"released": options["name"], "recipients": woken}))
        else:
            self.stdout.write(f"released {options['name']}: {woken:,} recipients may go on")

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


def _key_of(name: str) -> Key:
    """Raises CommandError."""
    if "@" in name:
        account = account_directory.login(name, local_ip=None)
        if account is not None:
            return Key(Kind.USER, account.account_id)
        try:
            mailing_list = list_by_address(Address.parse(name))
        except (MalformedAddress, ListUnknown):
            raise CommandError(f"there is no user or mailing list {name}") from None
        return Key(Kind.LIST, mailing_list.pk)
    try:
        domain = domain_directory.by_name(parse_domain(name))
    except MalformedAddress:
        domain = None
    if domain is None:
        raise CommandError(f"there is no domain {name}")
    return Key(Kind.DOMAIN, domain.domain_id)
