"""The registry of open connections over all processes, and the word that ends one (N-008)."""

from __future__ import annotations

import os
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
from operations import tally
from operations.models import Connection, Process
from operations.tally import Came
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

# A process that has not been heard of for this long is dead, and so are its sessions.
SILENCE = timedelta(seconds=20)

_COLUMNS = (
    "id", "process_id", "service", "is_outbound", "client_address", "client_port",
    "local_address", "local_port", "is_encrypted", "tls", "peer_name", "account_id", "domain_id",
    "started_at", "logged_in_at", "bytes_in", "bytes_out",
)  # fmt: skip
_INSERT = (
    f"INSERT INTO operations_connection ({', '.join(_COLUMNS)})"  # names of ours
    f" VALUES ({', '.join(['%s'] * len(_COLUMNS))})"
)
_CHANGE = (
    "UPDATE operations_connection SET is_encrypted = %s, tls = %s, account_id = %s,"
    " domain_id = %s, logged_in_at = %s, bytes_in = %s, bytes_out = %s WHERE id = %s"
)
_DELETE = "DELETE FROM operations_connection WHERE id = %s"
_LIVES = "UPDATE operations_process SET seen_at = %s WHERE id = %s"
_ENTER = (
    "INSERT INTO operations_process (id, node, pid, started_at, seen_at)"
    " VALUES (%s, %s, %s, %s, %s)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConnection:
    """What the registry knows of one connection; the client of an outbound one is the server."""

    connection_id: int
    service: str
    client_address: str
    client_port: int
    local_address: str
    local_port: int
    started_at: datetime
    is_outbound: bool = False
    is_encrypted: bool = False
    tls: str = ""
    peer_name: str = ""
    account_id: int | None = None
    domain_id: int | None = None
    logged_in_at: datetime | None = None
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Changes(Job):
    """What changed in one process since it last said so: a job of the committer.

    The result is False if the process had been taken for dead: it is entered again, and must
    tell everything anew.
    """

    waits_for_disk = False

    process_id: int
    node: int
    pid: int
    now: datetime
    opened: Sequence[OpenConnection] = field(default_factory=list)
    changed: Sequence[OpenConnection] = field(default_factory=list)
    closed: Sequence[int] = field(default_factory=list)
    tallied: Sequence[tuple[Came, int, int]] = field(default_factory=list)

    @staticmethod
    def write_rows(jobs: Sequence[Changes], cursor: Any) -> None:
        for job in jobs:
            job.result = job._write(cursor)

    def _write(self, cursor: Any) -> bool:
        tally.write(cursor, self.tallied, now=self.now)
        now = to_micros(self.now)
        cursor.execute(_LIVES, (now, self.process_id))
        if not cursor.rowcount:
            cursor.execute(_ENTER, (self.process_id, self.node, self.pid, now, now))
            return False
        if self.closed:
            cursor.executemany(_DELETE, [(number,) for number in self.closed])
        if self.opened:
            cursor.executemany(_INSERT, [_row(self.process_id, one) for one in self.opened])
        if self.changed:
            cursor.executemany(_CHANGE, [_changed(one) for one in self.changed])
        return True


def enter(*, process_id: int, node: int, pid: int, now: datetime) -> None:
    """A process begins to have sessions; what dead ones left is removed."""
    with transaction.atomic():
        forget_dead(now=now)
        _forget_ended(node, pid)
        Process.objects.create(id=process_id, node=node, pid=pid, started_at=now, seen_at=now)


def _forget_ended(node: int, pid: int) -> None:
    """Processes of this machine that are gone without a word: nobody need wait for their silence.

    A switch of a service, for one, waits until every process has followed.
    """
    rows = Process.objects.filter(node=node).values_list("id", "pid")
    ended = [row_id for row_id, other in rows if other == pid or not _exists(other)]
    Process.objects.filter(pk__in=ended).delete()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def leave(*, process_id: int) -> None:
    Process.objects.filter(pk=process_id).delete()


def forget_dead(*, now: datetime) -> int:
    """Remove processes that have been silent, with their sessions; returns how many."""
    _, deleted = Process.objects.filter(seen_at__lt=now - SILENCE).delete()
    return deleted.get("operations.Process", 0)


def current(*, account_id: int | None = None) -> list[Connection]:
    """The sessions that are open now, oldest first; of one account, or of all."""
    rows = Connection.objects.filter(process__seen_at__gte=utc_now() - SILENCE, is_outbound=False)
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    return list(rows.select_related("process").order_by("id"))


@transaction.atomic
def end(connection_id: int, *, by: Actor | None) -> bool:
    """Ask the process that has the connection to end it; False if there is no such one.

    It is gone within a second, on whichever machine it is, and may be made again at once (M-025,
    M-047).
    """
    row = Connection.objects.filter(pk=connection_id).first()
    if row is None:
        return False
    audit.record(by, "ended a session" if row.account_id else "dropped a connection", row)
    payload = connection_id.to_bytes(8, "big")
    publish_on_commit(Topic.SESSION, payload=payload, durable=True)
    return True


@transaction.atomic
def end_of_account(account_id: int, *, by: Actor | None) -> int:
    """End all sessions of an account; how many are known."""
    count = Connection.objects.filter(account_id=account_id).count()
    user = User.objects.filter(pk=account_id).first()
    if user is not None:
        audit.record(by, "ended all sessions", user)
    publish_on_commit(Topic.SESSION, account_id, durable=True)
    return count


def _row(process_id: int, one: OpenConnection) -> tuple[Any, ...]:
    return (
        one.connection_id, process_id, one.service, one.is_outbound, one.client_address,
        one.client_port, one.local_address, one.local_port, one.is_encrypted, one.tls[:80],
        one.peer_name[:255], one.account_id, one.domain_id, to_micros(one.started_at),
        one.logged_in_at and to_micros(one.logged_in_at), one.bytes_in, one.bytes_out,
    )  # fmt: skip


def _changed(one: OpenConnection) -> tuple[Any, ...]:
    return (
        one.is_encrypted, one.tls[:80], one.account_id, one.domain_id,
        one.logged_in_at and to_micros(one.logged_in_at), one.bytes_in, one.bytes_out,
        one.connection_id,
    )  # fmt: skip
