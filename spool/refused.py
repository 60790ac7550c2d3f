"""Mail that was not accepted, written down in batches: an answer to "my mail never arrived"."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blobs.committer import Job, process_committer
from blobs.ids import new_id
from clock.moments import to_micros

_INSERT = (
    "INSERT INTO spool_refusedmail (id, at, client_address, client_name, sender, recipient, reply)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s)"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused sender, recipient or message; `recipient` is empty for the whole message."""

    at: datetime
    client_address: str
    client_name: str  # as EHLO said
    sender: str  # empty: the null sender
    recipient: str
    reply: str


@dataclass(slots=True, kw_only=True, eq=False)
class RefusalRows(Job):
    """A batch of them: a job of the committer."""

    waits_for_disk = False

    refusals: Sequence[Refusal]

    @staticmethod
    def write_rows(jobs: Sequence[RefusalRows], cursor: Any) -> None:
        cursor.executemany(_INSERT, [_row(refusal) for job in jobs for refusal in job.refusals])


def write_down(refusals: Sequence[Refusal]) -> Future[Any]:
    """Hand them to the committer; the future is done when the rows are durable."""
    return process_committer().submit(RefusalRows(refusals=refusals))


def _row(refusal: Refusal) -> tuple[object, ...]:
    return (
        new_id(), to_micros(refusal.at), refusal.client_address, refusal.client_name[:255],
        refusal.sender[:330], refusal.recipient[:330], refusal.reply[:500],
    )  # fmt: skip
