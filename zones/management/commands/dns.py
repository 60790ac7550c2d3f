"""manage.py dns: the records that a domain needs, and whether it has them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clock.moments import utc_now
from domains import selectors
from domains.errors import DomainUnknown, Refused
from domains.models import Domain
from events import audit
from zones import published, services
from zones.findings import Level
from zones.models import StsMode


class Command(BaseCommand):
    help = "Shows the DNS records that a domain needs for mail, or checks them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        advice = verbs.add_parser("advice", help="the records, as lines for the zone")
        check = verbs.add_parser("check", help="ask DNS now; exit status 1 if something is broken")
        policy = verbs.add_parser("policy", help="the MTA-STS policy that is served, or change it")
        policy.add_argument("--mode", choices=StsMode.values)
        policy.add_argument("--more-hosts", help="other servers among its MX, with commas between")
        for verb in (advice, check, policy):
            verb.add_argument("domain")
            verb.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            domain = selectors.by_name(options["domain"])
        except DomainUnknown as error:
            raise CommandError(str(error)) from None
        if options["verb"] == "advice":
            self._advise(domain, as_json=options["json"])
        elif options["verb"] == "policy":
            self._policy(domain, options)
        else:
            self._check(domain, as_json=options["json"])

    def _advise(self, domain: Domain, *, as_json: bool) -> None:
        found = services.advise(domain)
        if as_json:
            rows = [{**asdict(record), "line": record.line} for record in found]
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for record in found:
            self.stdout.write(f"; {record.need}: {record.why}")
            self.stdout.write(record.line)

    def _policy(self, domain: Domain, options: dict[str, Any]) -> None:
        names = ("mode", "more_hosts")
        values = {name: options[name] for name in names if options[name] is not None}
        if values:
            with audit.acting_by_command("dns"):
                try:
                    published.change_policy(domain=domain, values=values, by=None)
                except Refused as error:
                    raise CommandError(str(error)) from None
        policy = published.policy_of(domain)
        if options["json"]:
            shown = None if policy is None else {**asdict(policy), "id": published.id_of(policy)}
            self.stdout.write(json.dumps(shown, indent=2))
        elif policy is None:
            self.stdout.write(f"no policy is served for {domain.name}")
        else:
            self.stdout.write("\n".join(policy.lines))

    def _check(self, domain: Domain, *, as_json: bool) -> None:
        report = services.check(domain, now=utc_now())
        if as_json:
            rows = [asdict(finding) for finding in report.findings]
            shown = {"domain": domain.name, "level": report.level, "findings": rows}
            self.stdout.write(json.dumps(shown, indent=2))
        else:
            for finding in report.findings:
                self.stdout.write(f"{finding.level:8} {finding.title:32} {finding.text}")
        if report.level is Level.ERROR:
            raise SystemExit(1)
