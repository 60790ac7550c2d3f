"""manage.py serve_pop: the POP3 listener alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from mailhost import mailparts


class Command(BaseCommand):
    help = "Runs the POP3 listener alone."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        mailparts.serve(["pop"])
