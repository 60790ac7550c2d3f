"""manage.py serve_ldap: the LDAP listener alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from mailhost import mailparts


class Command(BaseCommand):
    help = "Runs the LDAP listener alone."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        mailparts.serve(["ldap"])
