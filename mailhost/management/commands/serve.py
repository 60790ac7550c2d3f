"""manage.py serve: one command that prepares, starts and supervises the whole server."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from accounts.models import User
from certificates import expiry, keeping
from clock.moments import utc_now
from mailhost import firststart, statusscreen, supervise


class Command(BaseCommand):
    help = "Runs the whole server; the first run makes the database, a certificate and a log-in."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            firststart.claim_data()
            firststart.migrate()
            firststart.certificate()
            firststart.first_administrator(self._tell)
            plan = supervise.Plan(
                mail_processes=settings.MAILHOST_MAIL_PROCESSES,
                drain_seconds=settings.MAILHOST_DRAIN_SECONDS,
                logging=settings.LOGGING,
                facts=statusscreen.Facts(
                    str(settings.MAILHOST_DATA),
                    settings.MAILHOST_HOSTNAME,
                    _somebody(),
                    _certificates(),
                ),
            )
        except firststart.AlreadyRunning as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"the database does not work: {str(error).strip()}") from None
        except OSError as error:
            # Such as a full disk, or a folder of another user.
            raise CommandError(f"cannot work in MAILHOST_DATA: {error}") from None
        connections.close_all()
        supervise.become(plan)

    def _tell(self, login: str, password: str) -> None:
        # To the screen and never to the log; this is the only time that anybody sees it.
        self.stdout.write(f"First administrator: {login}   password: {password}")
        self.stdout.flush()


def _certificates() -> tuple[str, ...]:
    """What is to be said of them, the folder as it is now."""
    now = utc_now()
    keeping.take_in(now=now)
    return tuple(expiry.worries(now=now))


def _somebody() -> str | None:
    """An address that takes mail, for the example on the screen."""
    user = User.objects.filter(domain__isnull=False).select_related("domain").order_by("pk").first()
    return str(user) if user is not None else None
