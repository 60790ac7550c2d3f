"""manage.py dkim: the keys that a domain's mail is signed with."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clock.moments import utc_now
from domains import selectors
from domains.errors import DomainUnknown, Refused
from domains.models import Domain
from events import audit
from signing import keys


class Command(BaseCommand):
    help = "Lists, generates and retires the keys that a domain's mail is signed with (DKIM)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listed = verbs.add_parser("list", help="the keys, and what they are used for")
        listed.add_argument("--json", action="store_true", help="for programs")
        generate = verbs.add_parser("generate", help="the first keys, or the next ones")
        retire = verbs.add_parser("retire", help="a key signs no more, and is erased")
        for verb in (listed, generate, retire):
            verb.add_argument("domain")
        retire.add_argument("selector")
        retire.add_argument("--name", default="", help="a domain alias whose key it is")

    def handle(self, *args: Any, **options: Any) -> None:
        now = utc_now()
        try:
            domain = selectors.by_name(options["domain"])
            with audit.acting_by_command("dkim"):
                if options["verb"] == "generate":
                    for key in keys.generate(domain=domain, by=None, now=now):
                        self.stdout.write(f'{key.record_name}. IN TXT "{key.record}"')
                elif options["verb"] == "retire":
                    selector, name = options["selector"], options["name"]
                    keys.retire(domain=domain, selector=selector, name=name, by=None, now=now)
                else:
                    self._list(domain, as_json=options["json"])
        except (DomainUnknown, Refused) as error:
            raise CommandError(str(error)) from None

    def _list(self, domain: Domain, *, as_json: bool) -> None:
        found = keys.keys_of(domain)
        if as_json:
            rows = [
                {
                    "name": key.name,
                    "selector": key.selector,
                    "algorithm": key.algorithm,
                    "state": key.state,
                    "record": key.record,
                }
                for key in found
            ]
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for key in found:
            self.stdout.write(f"{key.state:8} {key.algorithm:8} {key.record_name}")
