"""What the commands about domains, users and aliases share: rows as JSON, values as words."""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import BaseCommand, CommandError
from django.db import models
from django.db.models import QuerySet

from domains import selectors
from domains.errors import DomainUnknown, Refused
from events import audit
from protocols.address import fold

M = TypeVar("M", bound=models.Model)

SWITCHES = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


class RoomCommand(BaseCommand):
    """`manage.py NAME VERB …`; each verb is a method `do_VERB` of the same name.

    Refusals of services become errors with their own words; changes are recorded with the name
    of whoever is logged in to the machine.
    """

    name: ClassVar[str]

    def handle(self, *args: Any, **options: Any) -> None:
        with audit.acting_by_command(self.name):
            try:
                shown = getattr(self, f"do_{options['verb'].replace('-', '_')}")(options)
            except Refused as error:
                raise CommandError(str(error)) from None
        self.show(shown, as_json=options["json"])

    def show(self, found: Any, *, as_json: bool) -> None:
        """A row, rows, or a sentence."""
        if as_json:
            self.stdout.write(json.dumps({"done": found} if isinstance(found, str) else found))
        elif isinstance(found, str):
            self.stdout.write(found)
        elif isinstance(found, Mapping):
            for key, value in found.items():
                self.stdout.write(f"{key:40} {_in_words(value)}")
        else:
            for row in found:
                first, *others = row.values()
                rest = "  ".join(_in_words(value) for value in others)
                self.stdout.write(f"{first:40} {rest}".rstrip())


def row_at(rows: QuerySet[M], address: str, unknown: Callable[[str], Refused]) -> M:
    """The user or alias of an address. Raises what `unknown` makes of it."""
    local_part, _, name = address.rpartition("@")
    try:
        domain = selectors.by_name(name)
    except DomainUnknown:
        raise unknown(address) from None
    row = rows.filter(domain=domain, local_part=fold(local_part)).first()
    if row is None:
        raise unknown(address)
    return row


def verb(verbs: Any, name: str, help: str) -> ArgumentParser:
    parser: ArgumentParser = verbs.add_parser(name, help=help)
    parser.add_argument("--json", action="store_true", help="the answer for programs")
    return parser


def values(pairs: Iterable[str], model: type[models.Model]) -> dict[str, Any]:
    """`name=value` as the column keeps it; services check it. Raises CommandError."""
    found = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator:
            raise CommandError(f"{pair}: write it as name=value")
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            raise CommandError(f"there is no setting {name}") from None
        found[name] = _value(field, text, name)
    return found


def plain(row: models.Model, names: Iterable[str]) -> dict[str, Any]:
    """Columns as JSON can hold them."""
    found = {}
    for name in names:
        value = getattr(row, name)
        found[name] = value.isoformat() if isinstance(value, datetime) else value
    return found


def read_password(words: str = "Password: ") -> str:
    """Asked for twice at a terminal; else the first line of the input. Raises CommandError."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(words)
    if password != getpass.getpass("Again: "):
        raise CommandError("these were not the same")
    return password


def _value(field: Any, text: str, name: str) -> Any:
    if isinstance(field, models.BooleanField):
        if text.lower() not in SWITCHES:
            raise CommandError(f"{name} is on or off")
        return SWITCHES[text.lower()]
    if isinstance(field, models.IntegerField):
        if not (text.isascii() and text.isdigit()):
            raise CommandError(f"{name} is a whole number")
        return int(text)
    return (text or None) if field.null else text


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return " ".join(f"{key}={_in_words(one)}" for key, one in value.items())
    return "-" if value is None or value == "" else str(value)
