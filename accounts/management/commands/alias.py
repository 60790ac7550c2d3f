"""manage.py alias: list, show, add, change and delete aliases; set the catch-all."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from accounts import aliases
from accounts.aliases import NewAlias
from accounts.commandline import RoomCommand, plain, row_at, values, verb
from accounts.errors import AliasUnknown
from accounts.models import UserAlias
from domains import selectors


class Command(RoomCommand):
    help = "Lists, shows, adds, changes and deletes aliases; sets the catch-all."
    name = "alias"

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verb(verbs, "list", "every alias of a domain").add_argument("domain")
        verb(verbs, "show", "one alias").add_argument("address")
        for name, words in (("add", "a new alias"), ("change", "set what is given")):
            made = verb(verbs, name, words)
            made.add_argument("address")
            made.add_argument(
                "--to", action="append", help="a user name or an address; several times for more"
            )
            made.add_argument(
                "pairs", metavar="name=value", nargs="*", help="such as internal_only=on"
            )
        verb(verbs, "delete", "mail to it is refused from now on").add_argument("address")
        catch_all = verb(verbs, "catch-all", "who gets mail for unknown addresses")
        catch_all.add_argument("domain")
        catch_all.add_argument("--to", action="append", help="without it: nobody")
        catch_all.add_argument(
            "pairs", metavar="name=value", nargs="*", help="such as takes_reports=on"
        )

    def do_list(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_name(options["domain"])
        rows = UserAlias.objects.filter(domain=domain).select_related("domain")
        return [_shown(row) for row in rows.order_by("local_part")]

    def do_show(self, options: dict[str, Any]) -> Any:
        return _shown(by_address(options["address"]))

    def do_add(self, options: dict[str, Any]) -> Any:
        local_part, _, name = options["address"].rpartition("@")
        new = NewAlias(
            name=local_part,
            targets=options["to"] or [],
            values=values(options["pairs"], UserAlias),
        )
        domain = selectors.by_name(name)
        (row,) = aliases.add_aliases(domain=domain, aliases=[new], by=None)
        return _shown(row)

    def do_change(self, options: dict[str, Any]) -> Any:
        given = values(options["pairs"], UserAlias)
        alias = by_address(options["address"])
        row = aliases.change_alias(alias=alias, targets=options["to"], values=given, by=None)
        return _shown(row)

    def do_delete(self, options: dict[str, Any]) -> Any:
        aliases.delete_alias(alias=by_address(options["address"]), by=None)
        return f"deleted {options['address']}"

    def do_catch_all(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_name(options["domain"])
        row = aliases.set_catch_all(
            domain=domain,
            targets=options["to"] or [],
            values=values(options["pairs"], UserAlias),
            by=None,
        )
        return _shown(row) if row is not None else f"unknown addresses of {domain} are refused"


def by_address(address: str) -> UserAlias:
    """Raises AliasUnknown."""
    return row_at(UserAlias.objects.select_related("domain"), address, AliasUnknown)


def _shown(row: UserAlias) -> dict[str, Any]:
    fields = aliases.fields_of(row.local_part)
    return {"address": str(row), "to": aliases.target_names(row)} | plain(row, fields)
