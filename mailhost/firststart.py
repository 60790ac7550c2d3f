"""What must be there before the server runs: the schema, a certificate, an administrator."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts import services
from accounts.models import Role, User
from clock.moments import utc_now
from listeners.tls import Certificates

log = structlog.get_logger(__name__)


class AlreadyRunning(Exception):
    """Another server of this machine works with this MAILHOST_DATA."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"MailHost runs already with this MAILHOST_DATA (process {pid})")


def claim_data() -> None:
    """Hold this machine's part in the data for this process. Raises AlreadyRunning."""
    settings.MAILHOST_RUN.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(settings.MAILHOST_RUN / "serve.pid", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(file, 20).decode().strip()
        os.close(file)
        raise AlreadyRunning(pid or "unknown") from None
    os.ftruncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    os.set_inheritable(file, True)  # the claim outlives the exec of the supervisor


def migrate() -> None:
    """Bring the schema up to date; says so when there was something to do."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        log.info("preparing the database", migrations=len(missing))
        call_command("migrate", verbosity=0, interactive=False)


def certificate() -> None:
    """A self-signed default certificate is made where there is none."""
    certificates = Certificates(settings.MAILHOST_CERTIFICATES)
    certificates.make_default(settings.MAILHOST_HOSTNAME, now=utc_now())


def first_administrator(tell: Callable[[str, str], object]) -> None:
    """Make a system administrator if there is none; `tell` gets the login and the password.

    It is told before the commit: killed in between, the next start makes and tells another one.
    """
    if User.objects.filter(role=Role.SYSTEM_ADMINISTRATOR).exists():
        return
    login, password = "admin", secrets.token_urlsafe(12)
    with transaction.atomic():
        user = User.objects.create(
            local_part=login,
            role=Role.SYSTEM_ADMINISTRATOR,
            full_name="System administrator",
            created_at=utc_now(),
        )
        services.set_password(user=user, password=password, by=None)
        tell(login, password)
