"""manage.py backup: a copy of the whole server, or of one domain, made while it runs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.commandline import read_password
from clock.moments import utc_now
from domains.errors import Refused
from mailhost.backup import onedomain, taking
from mailhost.backup.contents import BackupError, Contents
from mailhost.backup.locking import Lock
from mailhost.backup.onedomain import DomainContents


class Command(BaseCommand):
    help = (
        "Copies database, mail, keys and certificates, or one domain with its mail, into a new"
        " folder; the server may run."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="is made; holds secrets: guard it")
        parser.add_argument(
            "--domain",
            metavar="NAME",
            help="only this domain: settings, users, aliases, folders and mail",
        )
        secrets = parser.add_mutually_exclusive_group()
        secrets.add_argument(
            "--passphrase",
            action="store_true",
            help="of one domain: encrypt app passwords, second factors, signing keys and accounts"
            " on other servers with a passphrase that is asked for, instead of the server's key",
        )
        secrets.add_argument(
            "--secrets",
            action="store_true",
            help="of one domain: with these in the clear",
        )
        parser.add_argument("--json", action="store_true", help="the answer for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        def tell(words: str) -> None:
            if options["verbosity"] and not options["json"]:
                self.stdout.write(words)
                self.stdout.flush()

        if options["domain"] is None and (options["passphrase"] or options["secrets"]):
            raise CommandError("that is for --domain: a whole backup has the server's key in it")
        folder: Path = options["folder"]
        made: Contents | DomainContents
        try:
            if options["domain"] is None:
                made = taking.take(folder, now=utc_now(), tell=tell)
            else:
                made = onedomain.take(
                    options["domain"], folder, now=utc_now(), tell=tell, **_lock(options)
                )
        except (BackupError, Refused) as error:
            raise CommandError(str(error)) from None
        damaged = made.damaged if isinstance(made, DomainContents) else []
        if options["json"]:
            facts = {
                "folder": str(folder.absolute()),
                "made_at": made.made_at.isoformat(),
                "files": made.files,
                "size_bytes": made.size_bytes,
            }
            if isinstance(made, DomainContents):
                facts |= {"domain": made.domain, "messages": made.messages, "damaged": damaged}
            self.stdout.write(json.dumps(facts))
        else:
            megabytes = -(-made.size_bytes // (1024 * 1024))
            self.stdout.write(f"{made.files:,} files, {megabytes:,} MB, in {folder}")
            for words in damaged:
                self.stderr.write(f"left out, as its bytes are damaged: {words}")


def _lock(options: dict[str, Any]) -> dict[str, Any]:
    """What is to open the secrets of a domain. Raises CommandError."""
    if options["passphrase"]:
        return {"lock": Lock.PASSPHRASE, "passphrase": read_password("Passphrase: ")}
    return {"lock": Lock.NOTHING if options["secrets"] else Lock.SERVER_KEY}
