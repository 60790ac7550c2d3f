"""manage.py retrieval: lists, adds, changes, removes, fetches from and tests accounts elsewhere."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.commandline import RoomCommand, plain, read_password, row_at, values, verb
from accounts.errors import UserUnknown
from accounts.models import User
from retrieval import services
from retrieval.errors import RetrievalUnknown
from retrieval.models import Kind, RetrievalAccount
from retrieval.trying import try_out

STANDING = ("next_due_at", "last_run_at", "last_count", "last_error", "failures")


class Command(RoomCommand):
    help = "Lists, adds, changes, removes and tests users' accounts on other servers; fetches now."
    name = "retrieval"

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listed = verb(verbs, "list", "all accounts, or those of one user")
        listed.add_argument("address", nargs="?", default="")
        verb(verbs, "show", "one account").add_argument("number", type=int)
        add = verb(verbs, "add", "an account; its password is read from the input")
        add.add_argument("address", help="whose it is to be")
        add.add_argument("kind", choices=[kind.value for kind in Kind])
        add.add_argument("host")
        add.add_argument("username")
        add.add_argument("values", nargs="*", help="such as interval_minutes=15")
        change = verb(verbs, "change", "set what is given, all or nothing")
        change.add_argument("number", type=int)
        change.add_argument("values", nargs="*", help="such as is_enabled=off")
        change.add_argument(
            "--password", action="store_true", help="a new one is read from the input"
        )
        for name, words in (
            ("fetch", "within seconds, if the service runs"),
            ("test", "connect, encrypt, log in and look; nothing is fetched"),
            ("remove", "the mail that it has brought stays"),
        ):
            verb(verbs, name, words).add_argument("number", type=int)

    def do_list(self, options: dict[str, Any]) -> Any:
        rows = RetrievalAccount.objects.select_related("user__domain").order_by("id")
        if options["address"]:
            rows = rows.filter(user=_user(options["address"]))
        return [_summary(row) for row in rows]

    def do_show(self, options: dict[str, Any]) -> Any:
        row = _account(options["number"])
        return _summary(row) | plain(row, (*services.FIELDS, *STANDING))

    def do_add(self, options: dict[str, Any]) -> Any:
        given = values(options["values"], RetrievalAccount)
        row = services.add(
            user=_user(options["address"]),
            kind=Kind(options["kind"]),
            values={**given, "host": options["host"], "username": options["username"]},
            password=read_password(),
            by=None,
        )
        return self.do_show({"number": row.pk})

    def do_change(self, options: dict[str, Any]) -> Any:
        services.change(
            account=_account(options["number"]),
            values=values(options["values"], RetrievalAccount),
            password=read_password() if options["password"] else None,
            by=None,
        )
        return self.do_show(options)

    def do_fetch(self, options: dict[str, Any]) -> Any:
        row = services.fetch_now(account=_account(options["number"]), by=None)
        return f"mail is fetched from {row} in a few seconds"

    def do_test(self, options: dict[str, Any]) -> Any:
        row = _account(options["number"])
        found = try_out(account=row, by=None)
        if not found.is_ok:
            raise CommandError(f"{row}: {found.text}")
        return f"{row}: {found.text}"

    def do_remove(self, options: dict[str, Any]) -> Any:
        row = _account(options["number"])
        services.remove(account=row, by=None)
        return f"removed {row}"


def _user(address: str) -> User:
    return row_at(User.objects.select_related("domain"), address, UserUnknown)


def _account(number: int) -> RetrievalAccount:
    row = RetrievalAccount.objects.select_related("user__domain").filter(pk=number).first()
    if row is None:
        raise RetrievalUnknown(number)
    return row


def _summary(row: RetrievalAccount) -> dict[str, Any]:
    return {
        "number": row.pk,
        "user": str(row.user),
        **plain(row, ("kind", "host", "username", "is_enabled", *STANDING)),
    }
