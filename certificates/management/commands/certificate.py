"""manage.py certificate: lists, installs, orders and removes certificates."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from certificates import expiry, files, keeping, renewal, services
from certificates.models import Certificate
from certificates.pem import LONGEST_BYTES
from certificates.settings import is_directory
from clock.moments import utc_now
from domains.errors import Refused
from events import audit
from units import moments


class Command(BaseCommand):
    help = "Lists, installs, orders and removes the certificates of host names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="every certificate, its end, and what is wrong with it")
        install = verbs.add_parser("install", help="show a certificate of your own")
        install.add_argument("host", help="a host name, or *.example.com")
        install.add_argument("chain", type=Path, help="PEM: the certificate, then its issuers'")
        install.add_argument("key", type=Path, help="PEM: its private key, without passphrase")
        remove = verbs.add_parser("remove", help="go back to the default certificate")
        remove.add_argument("host")
        request = verbs.add_parser("request", help="order one by ACME and renew it from then on")
        request.add_argument("host")
        request.add_argument(
            "--staging-directory",
            metavar="URL",
            default="",
            help="order from this ACME server instead of the one in the settings, to try it out",
        )
        verbs.add_parser("renew", help="order what is due now, as the server does by itself")

    def handle(self, *args: Any, **options: Any) -> None:
        verbs = {
            "list": self._list,
            "install": self._install,
            "remove": self._remove,
            "request": self._request,
            "renew": self._renew,
        }
        with audit.acting_by_command("certificate"):
            try:
                verbs[options["verb"]](options)
            except Refused as error:
                raise CommandError(str(error)) from None

    def _list(self, options: dict[str, Any]) -> None:
        now = utc_now()
        keeping.take_in(now=now)
        table = Table("host", "source", "issuer", "expires (UTC)", "next order (UTC)", "remark")
        for row in Certificate.objects.all():
            remarks = filter(None, (expiry.remark(row, now=now), row.last_error))
            table.add_row(
                row.host,
                row.get_source_display(),
                row.issuer,
                f"{row.not_after:%Y-%m-%d}" if row.not_after else "",
                f"{row.renew_at:%Y-%m-%d %H:%M}" if row.renew_at else "",
                "; ".join(remarks),
            )
        console = Console(width=160, markup=False)
        with console.capture() as shown:
            console.print(table)
        self.stdout.write(shown.get())

    def _install(self, options: dict[str, Any]) -> None:
        row = services.install(
            host=options["host"],
            chain_pem=_content(options["chain"]),
            key_pem=_content(options["key"]),
            by=None,
            now=utc_now(),
        )
        self._tell(row)
        bundle = files.read(files.path_of(row.host))
        if len(bundle.chain) == 1 and not bundle.is_self_signed:
            self.stderr.write(
                f"There is no certificate of its issuer with it: clients that do not know"
                f" {row.issuer} by themselves will not trust it."
            )

    def _remove(self, options: dict[str, Any]) -> None:
        keeping.take_in(now=utc_now())
        services.remove(host=options["host"], by=None)
        self.stdout.write(f"{options['host']}: removed")

    def _request(self, options: dict[str, Any]) -> None:
        trial = options["staging_directory"]
        if trial and not is_directory(trial):
            raise CommandError("--staging-directory must be an https address")
        now = utc_now()
        keeping.take_in(now=now)
        try:
            row = renewal.request(host=options["host"], by=None, now=now, trial_directory=trial)
        except Refused as error:
            raise CommandError(f"{error}{_what_follows(options['host'])}") from None
        self._tell(row)

    def _renew(self, options: dict[str, Any]) -> None:
        count = renewal.renew_due(now=utc_now())
        self.stdout.write(f"renewed: {count}")

    def _tell(self, row: Certificate) -> None:
        self.stdout.write(
            f"{row.host}: installed, issued by {row.issuer}, good until {row.not_after:%Y-%m-%d}"
        )


def _content(path: Path) -> bytes:
    """Raises CommandError."""
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None


def _what_follows(host: str) -> str:
    """Whether a failed order is tried again by itself."""
    row = Certificate.objects.filter(host=host.strip().lower()).first()
    if row is None or row.renew_at is None:
        return ""
    return (
        f"\nIt is tried again after {moments.in_words(row.renew_at)};"
        f" `certificate remove {row.host}` gives it up."
    )
