"""manage.py createadmin: makes a system administrator and says the password once."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import services
from domains.errors import Refused
from events import audit


class Command(BaseCommand):
    help = "Makes a system administrator; without --ask the password is made up and said once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--ask", action="store_true", help="ask for the password (or read it from a pipe)"
        )
        parser.add_argument(
            "--allow-weak-passwords", action="store_true", help="for test sites only"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = _ask() if options["ask"] else None
        try:
            with audit.acting(name="manage.py createadmin"):
                user, password = services.create_system_administrator(
                    options["username"], wanted, allow_weak=options["allow_weak_passwords"]
                )
        except Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"made the system administrator {user}")
        if wanted is None:
            self.stdout.write(f"password (shown this once): {password}")


def _ask() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return getpass.getpass("Password: ")
