"""manage.py user: list, show, add, change, enable, disable and delete users; set passwords."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts import services
from accounts.commandline import RoomCommand, plain, read_password, row_at, values, verb
from accounts.errors import UserUnknown
from accounts.models import Status, User
from accounts.services import NewUser
from domains import selectors


class Command(RoomCommand):
    help = "Lists, shows, adds, changes, enables, disables and deletes users; sets passwords."
    name = "user"

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verb(verbs, "list", "every user of a domain").add_argument("domain")
        verb(verbs, "show", "one user").add_argument("address")
        add = verb(verbs, "add", "a user; the password is read from the input")
        add.add_argument("address")
        add.add_argument(
            "pairs", metavar="name=value", nargs="*", help="such as mailbox_size_mb=500"
        )
        change = verb(verbs, "change", "set what is given, all or nothing")
        change.add_argument("address")
        change.add_argument(
            "pairs", metavar="name=value", nargs="+", help="such as full_name='Ada Lovelace'"
        )
        verb(verbs, "password", "set it, read from the input").add_argument("address")
        for name in ("enable", "disable"):
            verb(verbs, name, f"{name} the user").add_argument("address")
        delete = verb(verbs, "delete", "remove the user and all mail in the mailbox for good")
        delete.add_argument("address")
        delete.add_argument("--yes", action="store_true", help="needed: it cannot be undone")

    def do_list(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_name(options["domain"])
        rows = User.objects.filter(domain=domain).select_related("domain").order_by("local_part")
        return [_summary(row) for row in rows]

    def do_show(self, options: dict[str, Any]) -> Any:
        user = by_address(options["address"])
        return _summary(user) | plain(user, services.USER_FIELDS)

    def do_add(self, options: dict[str, Any]) -> Any:
        local_part, _, name = options["address"].rpartition("@")
        domain = selectors.by_name(name)
        given = values(options["pairs"], User)
        verifiers = services.new_verifiers(read_password(), local_part)
        new = NewUser(username=local_part, verifiers=verifiers, values=given)
        (user,) = services.add_users(domain=domain, users=[new], by=None)
        return _summary(user)

    def do_change(self, options: dict[str, Any]) -> Any:
        given = values(options["pairs"], User)
        services.change_user(user=by_address(options["address"]), values=given, by=None)
        return self.do_show(options)

    def do_password(self, options: dict[str, Any]) -> Any:
        user = by_address(options["address"])
        services.set_password(user=user, password=read_password(), by=None)
        return f"set the password of {user}"

    def do_enable(self, options: dict[str, Any]) -> Any:
        return self._set(options, Status.ENABLED)

    def do_disable(self, options: dict[str, Any]) -> Any:
        return self._set(options, Status.DISABLED)

    def do_delete(self, options: dict[str, Any]) -> Any:
        user = by_address(options["address"])
        if not options["yes"]:
            raise CommandError(f"this removes {user} and all mail in the mailbox: add --yes")
        services.delete_user(user=user, by=None)
        return f"deleted {options['address']}"

    def _set(self, options: dict[str, Any], status: Status) -> Any:
        user = by_address(options["address"])
        return _summary(services.change_user(user=user, values={"status": status}, by=None))


def by_address(address: str) -> User:
    """Raises UserUnknown."""
    return row_at(User.objects.select_related("domain"), address, UserUnknown)


def _summary(row: User) -> dict[str, Any]:
    return {"address": str(row)} | plain(row, ("role", "status", "full_name", "created_at"))
