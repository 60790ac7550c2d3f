"""What acceptance writes: one group of messages, their recipients and finished deliveries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from blobs import references
from blobs.committer import Job
from blobs.ids import new_id
from mailboxes import delivery
from mailboxes.delivery import Delivery
from spool import ledger, throttlebounces
from spool.holds import Hold
from spool.models import State
from spool.placing import Placing
from spool.routing import Target
from spool.throttlebounces import ReceivedReport
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

MESSAGE_COLUMNS = (
    "id", "blob_id", "origin", "kind", "sender", "sender_account_id", "domain_id", "message_id",
    "size_bytes", "client_address", "client_name", "protocol", "body_type", "smtputf8", "ret",
    "envid", "manual_priority", "accepted_at", "expires_at", "finished_at", "delay_notice_at",
    "recipients_total", "recipients_delivered", "decisions",
)  # fmt: skip
RECIPIENT_COLUMNS = (
    "id", "message_id", "address", "original_address", "orcpt", "notify", "route", "account_id",
    "ledger_domain_id", "destination", "priority", "is_forced", "state", "attempts", "due_at",
    "claimed_by", "claimed_until", "reply", "ended_at", "folder_id", "uid",
)  # fmt: skip


def insert_statement(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


_in_order = itemgetter(*MESSAGE_COLUMNS)
INSERT_MESSAGE = insert_statement("spool_spooledmessage", MESSAGE_COLUMNS)
INSERT_RECIPIENT = insert_statement("spool_spooledrecipient", RECIPIENT_COLUMNS)
_HOLD = (
    f"UPDATE spool_spooledrecipient SET state = {State.HELD.value}, due_at = NULL,"
    " hold_reason = %s, hold_rule = %s, quarantined_until = %s, patience_left = %s WHERE id = %s"
)
_QUARANTINE = "UPDATE spool_spooledmessage SET quarantined_until = %s WHERE id = %s"
_LIST = "UPDATE spool_spooledmessage SET list_id = %s WHERE id = %s"
_RETURN_PATH = "UPDATE spool_spooledrecipient SET return_path = %s WHERE id = %s"
_PLACE = "UPDATE spool_spooledrecipient SET place = %s WHERE id = %s"


@dataclass(slots=True)
class AcceptedRecipient:
    """One final recipient on its way into the rows."""

    target: Target
    original_address: str
    notify: str
    orcpt: str
    priority: int
    recipient_id: int = field(default_factory=new_id)
    delivery: Delivery | None = None  # set: it goes into the mailbox in this very transaction
    reply: str = ""  # why it could not
    hold: Hold | None = None  # what keeps it back
    placing: Placing | None = None  # None: the Inbox, unread
    return_path: str = ""  # its own sender (VERP); empty: the message's


@dataclass(slots=True, kw_only=True, eq=False)
class Acceptance(Job):
    """A message whose body and rows are to be written together; its result is the spool id."""

    message: Mapping[str, Any]  # MESSAGE_COLUMNS but those found out while writing
    recipients: list[AcceptedRecipient]
    first_try_at: int  # microseconds
    received_report: ReceivedReport | None = None  # to be counted where it comes in (T-007)
    stored_blob_id: int | None = None  # the body, where it is stored already: no record then
    list_id: int | None = None  # whose post it carries to subscribers

    @staticmethod
    def write_rows(jobs: Sequence[Acceptance], cursor: Any) -> None:
        deliver_now(jobs, cursor)
        cursor.executemany(INSERT_MESSAGE, [job.message_row() for job in jobs])
        rows = [row for job in jobs for row in job.recipient_rows()]
        cursor.executemany(INSERT_RECIPIENT, rows)
        held = [
            job.held_row(one, one.hold)
            for job in jobs
            for one in job.recipients
            if one.hold is not None
        ]
        if held:
            cursor.executemany(_HOLD, held)
            quarantined = [row for job in jobs for row in job.quarantined_rows()]
            cursor.executemany(_QUARANTINE, quarantined)
        if placed := _waiting_places(jobs):
            cursor.executemany(_PLACE, placed)
        if carried := [(job.list_id, job.message["id"]) for job in jobs if job.list_id is not None]:
            cursor.executemany(_LIST, carried)
            cursor.executemany(_RETURN_PATH, _return_paths(jobs))
        _count_references(jobs, cursor)
        _count_in_ledger(jobs, cursor)
        reports = [job.received_report for job in jobs if job.received_report is not None]
        if reports:
            throttlebounces.count(cursor, reports, jobs[0].message["accepted_at"])
        for job in jobs:
            job.result = job.message["id"]
        if any(recipient.delivery is None for job in jobs for recipient in job.recipients):
            publish_on_commit(Topic.SPOOL)

    def message_row(self) -> tuple[Any, ...]:
        total = len(self.recipients)
        delivered = sum(recipient.delivery is not None for recipient in self.recipients)
        is_finished = delivered == total
        found_out = {
            "blob_id": None if is_finished else self.blob_id,
            "finished_at": self.message["accepted_at"] if is_finished else None,
            "recipients_total": total,
            "recipients_delivered": delivered,
        }
        row: tuple[Any, ...] = _in_order({**self.message, **found_out})
        return row

    @property
    def blob_id(self) -> int:
        stored = self.stored_blob_id
        return self.records[0].blob_id if stored is None else stored

    def recipient_rows(self) -> Iterator[tuple[Any, ...]]:
        message = self.message
        for recipient in self.recipients:
            target, done = recipient.target, recipient.delivery
            yield (
                recipient.recipient_id, message["id"], target.address, recipient.original_address,
                recipient.orcpt, recipient.notify, target.route.value,
                target.account.account_id if target.account else None,
                target.domain_id or message["domain_id"], target.destination, recipient.priority,
                False, State.QUEUED.value if done is None else State.DELIVERED.value,
                0 if done is None else 1, self.first_try_at if done is None else None, None, None,
                recipient.reply, None if done is None else message["accepted_at"],
                done.folder_id if done else None, done.uid if done else None,
            )  # fmt: skip

    def held_row(self, recipient: AcceptedRecipient, hold: Hold) -> tuple[Any, ...]:
        until, message = hold.quarantined_until, self.message
        left = None if until is None else message["expires_at"] - message["accepted_at"]
        return hold.reason, hold.rule_id, until, left, recipient.recipient_id

    def quarantined_rows(self) -> Iterator[tuple[Any, ...]]:
        """Its page shows it at once, and not only when the list is brought up to date."""
        moments = [one.hold.quarantined_until for one in self.recipients if one.hold is not None]
        if until := min((one for one in moments if one is not None), default=None):
            yield until, self.message["id"]


def _waiting_places(jobs: Iterable[Acceptance]) -> list[tuple[str, int]]:
    """Of recipients that the local agent will serve later."""
    return [
        (one.placing.encode(), one.recipient_id)
        for job in jobs
        for one in job.recipients
        if one.placing is not None and one.delivery is None
    ]


def _return_paths(jobs: Iterable[Acceptance]) -> list[tuple[str, int]]:
    return [
        (one.return_path, one.recipient_id)
        for job in jobs
        for one in job.recipients
        if one.return_path
    ]


def deliver_now(jobs: Sequence[Acceptance], cursor: Any) -> None:
    """Bring what needs no waiting into its mailbox; what can't go waits for the local agent."""
    deliveries = [r.delivery for job in jobs for r in job.recipients if r.delivery is not None]
    if not deliveries:
        return
    delivery.deliver(cursor, deliveries, now=jobs[0].message["accepted_at"])
    for job in jobs:
        for recipient in job.recipients:
            if recipient.delivery is not None and recipient.delivery.error is not None:
                recipient.reply = str(recipient.delivery.error)
                recipient.delivery = None


def planned_references(recipients: Iterable[AcceptedRecipient]) -> int:
    """One for each mailbox row, one for the spool while anything waits."""
    local = [recipient.delivery is not None for recipient in recipients]
    return sum(local) + (not all(local))


def _count_references(jobs: Sequence[Acceptance], cursor: Any) -> None:
    deltas: dict[int, int] = {}
    for job in jobs:
        counted = job.records[0].references if job.stored_blob_id is None else 0
        delta = planned_references(job.recipients) - counted
        if delta:
            deltas[job.blob_id] = deltas.get(job.blob_id, 0) + delta
    if deltas:
        references.change(cursor, deltas)


def _count_in_ledger(jobs: Sequence[Acceptance], cursor: Any) -> None:
    accepted: defaultdict[int, int] = defaultdict(int)
    delivered: defaultdict[int, int] = defaultdict(int)
    for job in jobs:
        for recipient in job.recipients:
            domain_id = recipient.target.domain_id or job.message["domain_id"] or 0
            accepted[domain_id] += 1
            delivered[domain_id] += recipient.delivery is not None
    now = jobs[0].message["accepted_at"]
    # One order for all processes, so that none waits for another that waits for it.
    for domain_id, count in sorted(accepted.items()):
        ledger.count(cursor, domain_id, now, accepted=count, delivered=delivered[domain_id])
