"""The registry of open sessions over all processes, and the word that ends one (N-008)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import User
from blobs.committer import Job
from clock.moments import to_micros, utc_now
from events import audit
from events.audit import Actor
from operations.models import Connection, Process
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

# A process that has not been heard of for this long is dead, and so are its sessions.
SILENCE = timedelta(seconds=20)

_INSERT = (
    "INSERT INTO operations_connection (id, process_id, service, client_address, client_port,"
    " local_address, local_port, is_encrypted, account_id, domain_id, started_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_LOG_IN = "UPDATE operations_connection SET account_id = %s, domain_id = %s WHERE id = %s"
_DELETE = "DELETE FROM operations_connection WHERE id = %s"
_LIVES = "UPDATE operations_process SET seen_at = %s WHERE id = %s"


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """What the registry knows of one session."""

    connection_id: int
    service: str
    client_address: str
    client_port: int
    local_address: str
    local_port: int
    is_encrypted: bool
    account_id: int | None
    domain_id: int | None
    started_at: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class Changes(Job):
    """What changed in one process since it last said so: a job of the committer."""

    waits_for_disk = False

    process_id: int
    now: datetime
    opened: Sequence[OpenConnection] = field(default_factory=list)
    logged_in: Sequence[OpenConnection] = field(default_factory=list)
    closed: Sequence[int] = field(default_factory=list)

    @staticmethod
    def write_rows(jobs: Sequence[Changes], cursor: Any) -> None:
        for job in jobs:
            if job.closed:
                cursor.executemany(_DELETE, [(number,) for number in job.closed])
            if job.opened:
                cursor.executemany(_INSERT, [_row(job.process_id, one) for one in job.opened])
            if job.logged_in:
                rows = [(one.account_id, one.domain_id, one.connection_id) for one in job.logged_in]
                cursor.executemany(_LOG_IN, rows)
            cursor.execute(_LIVES, (to_micros(job.now), job.process_id))


def enter(*, process_id: int, node: int, pid: int, now: datetime) -> None:
    """A process begins to have sessions; what dead ones left is removed."""
    with transaction.atomic():
        forget_dead(now=now)
        Process.objects.create(id=process_id, node=node, pid=pid, started_at=now, seen_at=now)


def leave(*, process_id: int) -> None:
    Process.objects.filter(pk=process_id).delete()


def forget_dead(*, now: datetime) -> int:
    """Remove processes that have been silent, with their sessions; returns how many."""
    _, deleted = Process.objects.filter(seen_at__lt=now - SILENCE).delete()
    return deleted.get("operations.Process", 0)


def current(*, account_id: int | None = None) -> list[Connection]:
    """The sessions that are open now, oldest first; of one account, or of all."""
    rows = Connection.objects.filter(process__seen_at__gte=utc_now() - SILENCE)
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    return list(rows.select_related("process").order_by("id"))


@transaction.atomic
def end(connection_id: int, *, by: Actor | None) -> bool:
    """Ask the process that has the session to end it; False if there is no such session."""
    row = Connection.objects.filter(pk=connection_id).first()
    if row is None:
        return False
    audit.record(by, "ended a session", row)
    publish_on_commit(Topic.SESSION, payload=connection_id.to_bytes(8, "big"))
    return True


@transaction.atomic
def end_of_account(account_id: int, *, by: Actor | None) -> int:
    """End all sessions of an account; how many are known."""
    count = Connection.objects.filter(account_id=account_id).count()
    user = User.objects.filter(pk=account_id).first()
    if user is not None:
        audit.record(by, "ended all sessions", user)
    publish_on_commit(Topic.SESSION, account_id)
    return count


def _row(process_id: int, one: OpenConnection) -> tuple[Any, ...]:
    return (
        one.connection_id, process_id, one.service, one.client_address, one.client_port,
        one.local_address, one.local_port, one.is_encrypted, one.account_id, one.domain_id,
        to_micros(one.started_at),
    )  # fmt: skip
