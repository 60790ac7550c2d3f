"""`manage.py abuserules`: the rules that block parties; sets a preset (M-060)."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.forms.models import model_to_dict

from events.audit import acting_by_command
from operations import rules
from operations.models import AbuseRule


class Command(BaseCommand):
    help = "Lists the rules that detect abuse, or sets those of a preset."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list").add_argument("--json", action="store_true", help="for programs")
        verbs.add_parser("preset").add_argument("name", choices=sorted(rules.PRESETS))

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "preset":
            with acting_by_command("abuserules"):
                rules.apply_preset(options["name"], by=None)
            self.stdout.write(f"the rules are those of the preset {options['name']}")
            return
        rows = AbuseRule.objects.all()
        if options["json"]:
            self.stdout.write(json.dumps([model_to_dict(row) for row in rows], indent=2))
            return
        for row in rows:
            self.stdout.write(
                f"{row.kind:<12} {row.service or 'all':<5} {row.threshold:>5} in"
                f" {row.window_seconds} s, then {row.action} for {row.block_seconds} s"
                f"{'' if row.is_enabled else '  (disabled)'}"
            )
