"""manage.py serve_retrieval: mail fetched from other servers, alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from mailhost import mailparts


class Command(BaseCommand):
    help = "Fetches mail from POP3 and IMAP accounts on other servers, alone."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        mailparts.serve(["retrieval"])
