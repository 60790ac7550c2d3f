"""manage.py report: any report as a table, as JSON or as CSV (R-010, R-015, R-021)."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import date, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from accounts.inactivity import Period
from accounts.models import User
from clock.moments import utc_now
from domains import selectors
from domains.errors import Refused
from domains.models import Domain
from protocols.address import fold
from reports import asking, collecting, csvtext, kinds
from reports.kinds import Scope, Wanted
from reports.models import Kind
from reports.series import LONGEST_DAYS, Days
from reports.tables import Report

USUAL_DAYS = 30


class Command(BaseCommand):
    help = "Shows a report: " + ", ".join(kind.value for kind in Kind) + "."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=[kind.value for kind in Kind], metavar="KIND")
        parser.add_argument("--domain", help="which one, for reports of domains")
        parser.add_argument("--user", help="whose address, for reports of users")
        parser.add_argument("--from", dest="first", help="the first day, such as 2030-01-31")
        parser.add_argument("--to", dest="last", help="the last day; today without it")
        parser.add_argument(
            "--inactive", choices=[one.value for one in Period], default=Period.DAYS_90.value,
            help="for reports on inactive users: for how long",
        )  # fmt: skip
        parser.add_argument(
            "--count", action="store_true", help="count what the last minutes brought first"
        )
        shape = parser.add_mutually_exclusive_group()
        shape.add_argument("--json", action="store_true", help="for programs")
        shape.add_argument("--csv", action="store_true", help="for spreadsheets")

    def handle(self, *args: Any, **options: Any) -> None:
        kind = Kind(options["kind"])
        if options["count"]:
            collecting.collect(now=utc_now())
        try:
            report = asking.make(kind, _wanted(kind, options))
        except Refused as error:
            raise CommandError(str(error)) from None
        if options["csv"]:
            for line in csvtext.lines(*report.for_file()):
                self.stdout.write(line, ending="")
        elif options["json"]:
            self.stdout.write(json.dumps(report.as_plain()))
        else:
            self._show(report)

    def _show(self, report: Report) -> None:
        table = Table(title=report.heading)
        for column in report.columns:
            table.add_column(column.label, justify="right" if column.is_number else "left")
        for row in report.rows:
            table.add_row(*(report.words(place, value) for place, value in enumerate(row)))
        if totals := report.totals():
            table.add_section()
            words = [report.words(place, value) for place, value in enumerate(totals)]
            table.add_row("All", *words[1:])
        console = Console(width=140)
        with console.capture() as shown:
            console.print(table)
        self.stdout.write(shown.get())


def _wanted(kind: Kind, options: dict[str, Any]) -> Wanted:
    """Raises CommandError, DomainUnknown."""
    now, scope = utc_now(), kinds.scope_of(kind)
    domain, account = None, None
    if scope is Scope.DOMAIN:
        domain = _domain(options)
    elif scope is Scope.USER:
        account = _account(options)
    return Wanted(_days(options, now), now, domain, account, Period(options["inactive"]))


def _domain(options: dict[str, Any]) -> Domain:
    if not options["domain"]:
        raise CommandError("say which domain: --domain NAME")
    return selectors.by_name(options["domain"])


def _account(options: dict[str, Any]) -> User:
    local_part, _, name = (options["user"] or "").rpartition("@")
    if not local_part:
        raise CommandError("say whose report: --user ADDRESS")
    domain = selectors.by_name(name)
    user = User.objects.filter(domain=domain, local_part=fold(local_part)).first()
    if user is None:
        raise CommandError(f"there is no user {options['user']}")
    return user


def _days(options: dict[str, Any], now: datetime) -> Days:
    try:
        last = date.fromisoformat(options["last"]) if options["last"] else now.date()
        first = (
            date.fromisoformat(options["first"])
            if options["first"]
            else last - timedelta(days=USUAL_DAYS - 1)
        )
    except (ValueError, OverflowError):
        raise CommandError("write days as 2030-01-31") from None
    if first > last or (last - first).days >= LONGEST_DAYS or first.year < 2000:
        raise CommandError(f"from the first day to the last, {LONGEST_DAYS} at most")
    return Days(first, last)
