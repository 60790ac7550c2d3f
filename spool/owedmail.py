"""Mail about a row, accepted by the very transaction that marks the row as told of.

So nothing is told twice, and nothing that was marked goes untold, whatever is killed when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.core.mail import EmailMessage

from blobs.committer import Job, process_committer
from spool import backend, deliverylog
from spool.acceptance import Acceptance
from spool.intake import Intake

log = structlog.get_logger(__name__)


class ToldAlready(Exception):
    """Another process was faster."""


@dataclass(slots=True, kw_only=True, eq=False)
class OwedMail(Job):
    """`mark` is an UPDATE that changes one row, or none if it has been told of; refused then."""

    mark: str
    values: Sequence[Any]
    accepted: list[Acceptance] = field(default_factory=list)

    @staticmethod
    def write_rows(jobs: Sequence[OwedMail], cursor: Any) -> None:
        going: list[Acceptance] = []
        for job in jobs:
            cursor.execute(job.mark, tuple(job.values))
            if cursor.rowcount:
                going += job.accepted
            else:
                job.error = ToldAlready()
        if going:
            Acceptance.write_rows(going, cursor)


def tell(
    messages: Sequence[EmailMessage],
    *,
    mark: str,
    values: Sequence[Any],
    must_reach: bool = False,
) -> int | None:
    """Hand in, with the mark, all messages whose recipients can be reached; how many.

    None: the row had been told of before. Raises StoreError, what the database raises and, if
    somebody must be reached, one of backend.REFUSALS: then nothing is marked. Not inside of a
    transaction, nor from a coroutine.
    """
    opened = list(_open(messages, must_reach=must_reach))
    try:
        accepted = [one.prepare() for one in opened]
        records = [record for one in accepted for record in one.records]
        job = OwedMail(mark=mark, values=values, accepted=accepted, records=records)
        process_committer().commit_now(job)
    except ToldAlready:
        return None
    finally:
        for one in opened:
            one.abort()
    for acceptance in accepted:
        deliverylog.accepted(acceptance)
    return len(accepted)


def _open(messages: Iterable[EmailMessage], *, must_reach: bool) -> Iterable[Intake]:
    for message in messages:
        try:
            opened = backend.open_intake(message)
        except backend.REFUSALS as error:
            if must_reach:
                raise
            log.warning("nobody can be told", to=message.to, error=repr(error))
        else:
            if opened is not None:
                yield opened
