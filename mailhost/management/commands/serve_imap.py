"""manage.py serve_imap: the IMAP listener alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from mailhost import mailparts


class Command(BaseCommand):
    help = "Runs the IMAP listener alone."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        mailparts.serve(["imap"])
