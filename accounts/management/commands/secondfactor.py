"""Take the second factor of somebody away who has lost all of his devices and codes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import secondfactor
from accounts.models import User
from events import audit


class Command(BaseCommand):
    help = "Take a second factor away: the password alone is asked for until he sets up another."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=["reset"])
        parser.add_argument("name", help="An address, or the name of an administrator.")

    def handle(self, *args: Any, **options: Any) -> None:
        name: str = options["name"]
        try:
            user = User.objects.get_by_natural_key(name)
        except User.DoesNotExist:
            raise CommandError(f"there is nobody called {name}") from None
        if not secondfactor.has_one(user):
            raise CommandError(f"{user} has no second factor")
        with audit.acting_by_command("secondfactor"):
            secondfactor.reset(user=user, by=None)
        self.stdout.write(f"{user} now logs in with the password alone.")
