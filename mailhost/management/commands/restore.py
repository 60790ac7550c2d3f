"""manage.py restore: a backup back into an empty server, or a domain into one that runs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.commandline import read_password
from clock.moments import utc_now
from domains.errors import Refused
from events import audit
from mailhost import firststart
from mailhost.backup import onedomain, restoring
from mailhost.backup.contents import BackupError
from mailhost.firststart import AlreadyRunning


class Command(BaseCommand):
    help = (
        "Restores a backup into an empty MAILHOST_DATA, while the server does not run; or one"
        " domain into this server, which may run."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="what ./manage backup has made")
        parser.add_argument(
            "--domain",
            metavar="NAME",
            help="FOLDER is of ./manage backup --domain: the domain is opened if there is none of"
            " that name, and gets what it lacks; nothing of it is removed",
        )
        secrets = parser.add_mutually_exclusive_group()
        secrets.add_argument(
            "--passphrase",
            action="store_true",
            help="of one domain: ask for what its app passwords, second factors, signing keys and"
            " accounts on other servers are encrypted with",
        )
        secrets.add_argument(
            "--without-secrets", action="store_true", help="of one domain: leave these out"
        )
        parser.add_argument(
            "--moved",
            action="store_true",
            help="the old server was stopped before the backup: waiting mail is not held, and "
            "mail programs keep what they have loaded",
        )
        parser.add_argument("--json", action="store_true", help="the answer for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["domain"] is not None:
            self._restore_domain(options)
            return
        try:
            firststart.claim_data()
            with audit.acting_by_command("restore"):
                done = restoring.restore(
                    options["folder"], now=utc_now(), is_moved=options["moved"]
                )
        except (AlreadyRunning, BackupError) as error:
            raise CommandError(str(error)) from None
        made_at = done.contents.made_at
        if options["json"]:
            self.stdout.write(json.dumps({"made_at": made_at.isoformat(), "held": done.held}))
            return
        self.stdout.write(f"Restored the server as it was at {made_at:%Y-%m-%d %H:%M:%S} UTC.")
        if done.held:
            self.stdout.write(
                f"{done.held:,} messages are held, as they may have been delivered since: look "
                "at them with ./manage spool list, let them go with ./manage spool release --all."
            )

    def _restore_domain(self, options: dict[str, Any]) -> None:
        try:
            with audit.acting_by_command("restore"):
                passphrase = read_password("Passphrase: ") if options["passphrase"] else ""
                found, done = onedomain.restore(
                    options["domain"], options["folder"], passphrase=passphrase,
                    is_without_secrets=options["without_secrets"],
                )  # fmt: skip
        except (BackupError, Refused) as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            facts = {"made_at": found.made_at.isoformat(), **asdict(done)}
            self.stdout.write(json.dumps(facts))
            return
        self.stdout.write(
            f"Restored {options['domain']} from {found.domain} as it was at"
            f" {found.made_at:%Y-%m-%d %H:%M:%S} UTC."
        )
        for name, value in asdict(done).items():
            if isinstance(value, int) and value:
                self.stdout.write(f"{name.replace('_', ' ')}: {value:,}")
        for words in done.errors:
            self.stderr.write(words)
        for words in done.left_out:
            self.stderr.write(f"left out: {words}")
