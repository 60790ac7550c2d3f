"""manage.py rotate_server_key: a new server key, with which all secrets are encrypted anew."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clock.moments import utc_now
from events import audit
from mailhost import newserverkey, serverkeys
from mailhost.newserverkey import KeyNotReplaced, Replaced

SETTLE_SECONDS = 60.0  # longer than any process keeps a value that it has read
COPY = "Copy keys/server.key of MAILHOST_DATA to every other machine"


class Command(BaseCommand):
    help = (
        "Makes a new server key, encrypts all secrets anew with it, and drops the old one; the "
        "server may run. Ended in the middle, it goes on when it is given again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        steps = parser.add_mutually_exclusive_group()
        steps.add_argument(
            "--prepare", action="store_true", help="of several machines: make the new key, only"
        )
        steps.add_argument(
            "--switch",
            action="store_true",
            help="every machine has the file with it: write with it from now on",
        )
        steps.add_argument(
            "--finish",
            action="store_true",
            help="every machine has the file with which it is in use: drop the old one",
        )
        parser.add_argument(
            "--settle-seconds",
            type=float,
            default=SETTLE_SECONDS,
            metavar="SECONDS",
            help="wait so long before the old key is dropped (%(default)g)",
        )
        parser.add_argument("--json", action="store_true", help="the answer for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with serverkeys.alone(), audit.acting_by_command("rotate_server_key"):
                done = self._act(options)
        except BlockingIOError:
            raise CommandError("another process is replacing the server key") from None
        except (KeyNotReplaced, OSError) as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(asdict(done)))
            return
        for words in done.complaints:
            self.stderr.write(f"stays as it is: {words}")
        values = sum(done.resealed.values())
        self.stdout.write(
            f"{values:,} values encrypted anew, {done.manifests:,} manifests written."
        )
        self.stdout.write(self._outlook(done))

    def _act(self, options: dict[str, Any]) -> Replaced:
        def tell(words: str) -> None:
            if options["verbosity"] and not options["json"]:
                self.stdout.write(words)
                self.stdout.flush()

        settle = {"now": utc_now(), "settle_seconds": max(0.0, options["settle_seconds"])}
        if options["prepare"]:
            return newserverkey.prepare()
        if options["switch"]:
            newserverkey.require_prepared()
            return newserverkey.take_into_use(tell)
        if options["finish"]:
            return newserverkey.finish(**settle, tell=tell)
        if settings.MAILHOST_CLUSTER:
            raise KeyNotReplaced(
                "other machines share the database: give the steps --prepare, --switch and "
                "--finish, and copy the file of keys in between"
            )
        return newserverkey.replace_key(**settle, tell=tell)

    def _outlook(self, done: Replaced) -> str:
        if done.is_old_key_dropped:
            also = f" {COPY}." if settings.MAILHOST_CLUSTER else ""
            return f"The old key is dropped: older backups need the key that is in them.{also}"
        if done.is_in_use:
            return f"The new key is in use. {COPY}, then give this command with --finish."
        return f"The new key is made. {COPY}, then give this command with --switch."
