"""manage.py serve: one command that prepares, starts and supervises the whole server."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from accounts.models import User
from mailhost import firststart, statusscreen
from mailhost.parts import Part
from mailhost.supervisor import Supervisor

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Runs the whole server; the first run makes the database, a certificate and a log-in."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with firststart.sole_server():
                self._prepare()
                exit_code = self._supervise()
        except firststart.AlreadyRunning as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"the database does not work: {error}") from None
        except OSError as error:
            # Such as a full disk, or a folder of another user.
            raise CommandError(f"cannot work in MAILHOST_DATA ({error})") from None
        sys.exit(exit_code)

    def _prepare(self) -> None:
        firststart.migrate()
        firststart.certificate()
        administrator = firststart.first_administrator()
        if administrator is not None:
            # To the screen and never to the log; this is the only time that anybody sees it.
            login, password = administrator
            self.stdout.write(f"First administrator: {login}   password: {password}")
            self.stdout.flush()

    def _supervise(self) -> int:
        facts = statusscreen.Facts(
            settings.MAILHOST_DATA, settings.MAILHOST_HOSTNAME, _somebody()
        )
        connections.close_all()
        supervisor = Supervisor(
            list(parts(settings.MAILHOST_MAIL_PROCESSES)),
            drain_seconds=settings.MAILHOST_DRAIN_SECONDS,
            on_ready=lambda listening: statusscreen.show(facts, listening),
        )
        return supervisor.run()


def parts(mail_processes: int) -> Iterable[Part]:
    """What a whole server consists of."""
    for number in range(1, mail_processes + 1):
        name = "mail" if number == 1 else f"mail-{number}"
        # The mail process needs models and no pages: fewer apps make it smaller.
        yield Part(name, _command("serve_mail"), {"MAILHOST_TRIMMED": "1"})
    yield Part("web", _command("serve_web"))


def _command(name: str) -> tuple[str, ...]:
    return (sys.executable, str(settings.BASE_DIR / "manage.py"), name)


def _somebody() -> str | None:
    """An address that takes mail, for the example on the screen."""
    user = User.objects.filter(domain__isnull=False).select_related("domain").order_by("pk").first()
    return str(user) if user is not None else None
