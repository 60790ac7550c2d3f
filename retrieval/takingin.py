"""Takes a fetched message in: its mail and the note that it is here are one transaction (N-062).

So whatever dies when, no message comes twice, and none is deleted on the other server that is not
durable here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blobs.committer import Job
from blobs.ids import encode_id, new_id
from clock.moments import to_micros
from mailboxes import quota
from protocols.address import Address
from retrieval import claims
from retrieval.errors import ClaimLost, FetchedAlready
from retrieval.permits import Mailbox
from spool import deliverylog, intake
from spool.acceptance import Acceptance
from spool.intake import Client, Intake
from spool.models import Origin, Route
from spool.placing import Placing
from spool.routing import Resolution, Target

# Written above each message: one that bears it has been here before, and goes in a circle.
MARK = "X-MailHost-Retrieval"

_INSERT = (
    "INSERT INTO retrieval_fetchedmessage"
    " (id, folder_id, uidvalidity, key, digest, mailbox_message_id, fetched_at, deleted_at,"
    " missing_since) VALUES (%s, %s, %s, %s, %s, NULL, %s, NULL, NULL) ON CONFLICT DO NOTHING"
)
_PLACED = "UPDATE retrieval_fetchedmessage SET mailbox_message_id = %s WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a message was: by which run, in which folder, under which name."""

    account_id: int
    run: int
    folder_id: int  # of RemoteFolder
    uidvalidity: int
    key: str


@dataclass(slots=True, kw_only=True, eq=False)
class TakeIn(Job):
    """Refused with ClaimLost, FetchedAlready or QuotaExceeded.

    `acceptance` None: the message is here already, and is only put on record.
    """

    source: Source
    digest: str
    now: int  # microseconds
    acceptance: Acceptance | None = None

    @staticmethod
    def write_rows(jobs: Sequence[TakeIn], cursor: Any) -> None:
        going: list[tuple[TakeIn, Acceptance, int]] = []
        for job in jobs:
            row_id = job._put_on_record(cursor)
            if row_id and job.acceptance is not None:
                going.append((job, job.acceptance, row_id))
        if not going:
            return
        Acceptance.write_rows([acceptance for _, acceptance, _ in going], cursor)
        placed = [
            (delivery.message_id, row_id)
            for _, acceptance, row_id in going
            for delivery in [acceptance.recipients[0].delivery]
            if delivery is not None
        ]
        if placed:
            cursor.executemany(_PLACED, placed)

    def _put_on_record(self, cursor: Any) -> int:
        """The key of the note; 0: refused."""
        source = self.source
        self.error = None
        if not claims.renew(cursor, source.account_id, source.run, now=self.now):
            self.error = ClaimLost()
            return 0
        # Else what does not fit would wait in the spool, and be given up there in the end.
        for delivery in self._deliveries():
            quota.refuse_overfull(cursor, [delivery])
            if delivery.error is not None:
                self.error = delivery.error
                return 0
        row_id = new_id()
        values = (row_id, source.folder_id, source.uidvalidity, source.key, self.digest, self.now)
        cursor.execute(_INSERT, values)
        if not cursor.rowcount:
            self.error = FetchedAlready()
            return 0
        return row_id

    def _deliveries(self) -> list[Any]:
        if self.acceptance is None:
            return []
        return [one.delivery for one in self.acceptance.recipients if one.delivery is not None]


def mark_of(account_id: int) -> bytes:
    """The line that this account's messages get."""
    return f"{MARK}: {encode_id(account_id)}\r\n".encode()


def begin(
    mailbox: Mailbox, *, account_id: int, host: str, protocol: str, placing: Placing
) -> Intake:
    """The way in for one message, under the null sender: nobody gets a bounce or a reply of it.

    It goes into the mailbox itself, past forwards. Raises spool.errors.SpoolFull. Asks the
    database, so in a thread.
    """
    opened = intake.begin(
        sender="",
        origin=Origin.RETRIEVAL,
        client=Client(greeting=host, fetched_by=protocol),
        domain=mailbox.domain,
    )
    address = Address(mailbox.account.local_part, mailbox.domain.name)
    target = Target(address.encode(), Route.LOCAL, mailbox.account, mailbox.domain.domain_id)
    opened.add_recipient(address, Resolution((target,), "user"), placing=placing)
    opened.write(mark_of(account_id))
    return opened


def record(source: Source, digest: str, now: datetime) -> TakeIn:
    """For a message that is here already."""
    return TakeIn(source=source, digest=digest, now=to_micros(now))


def job_for(opened: Intake, source: Source, digest: str, now: datetime) -> TakeIn:
    """Raises MessageLoops, SpoolFull, StoreFull, StoreFailed."""
    acceptance = opened.prepare()
    return TakeIn(
        source=source,
        digest=digest,
        now=to_micros(now),
        acceptance=acceptance,
        records=acceptance.records,
    )


def tell(job: TakeIn) -> None:
    """Write into the delivery log, after the commit."""
    if job.acceptance is not None:
        deliverylog.accepted(job.acceptance)
