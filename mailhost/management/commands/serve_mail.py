"""manage.py serve_mail: all mail services in one process."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from listeners.mail_process import PARTS
from mailhost import mailparts


class Command(BaseCommand):
    help = "Runs SMTP, IMAP, POP3, LDAP, retrieval and the spool in one process, without the panel."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        mailparts.serve(PARTS)
