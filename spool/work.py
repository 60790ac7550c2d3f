"""What the manager has in hand: claimed recipients, the message they share, and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from blobs.store import Location
from protocols.smtp.outgoing import Outcome, Verdict

# What leaves first sorts first: not by force, the priority negated, a number that breaks ties.
Turn = tuple[bool, int, int]


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one recipient holds of the allowances of an hour while it is being tried (T-003)."""

    hour: int  # whole hours since 1970, UTC
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A spooled message as delivery needs it; moments in microseconds."""

    message_id: int
    sender: str
    origin: str
    kind: str
    domain_id: int | None
    size_bytes: int
    body_type: str
    smtputf8: bool
    ret: str
    envid: str
    manual_priority: int | None
    accepted_at: int
    expires_at: int
    recipients_total: int
    location: Location | None  # None: the blob's row is gone
    sender_account_id: int | None = None
    throttled_until: int | None = None  # None: no limit has ever held it
    list_id: int | None = None  # the mailing list whose post it carries


@dataclass(frozen=True, slots=True)
class ClaimedRecipient:
    """One recipient that this process tries now; `attempts` counts this try already."""

    recipient_id: int
    message: ClaimedMessage
    address: str
    original_address: str
    orcpt: str
    notify: str
    route: str
    account_id: int | None
    ledger_domain_id: int | None
    destination: str
    priority: int
    is_forced: bool
    attempts: int
    due_at: int  # when it was due
    reservation: Reservation | None = None  # of its sender's allowance; None: not limited
    via: str = ""  # the way an operator chose (spool.ways); empty: by the rules
    place: str = ""  # where in its mailbox it goes (spool.placing); empty: the Inbox
    return_path: str = ""  # its own sender (VERP); empty: the message's

    @property
    def order(self) -> Turn:
        """Sorts what leaves first before what leaves later (P-001, S-033)."""
        return (not self.is_forced, -self.priority, self.message.message_id)


@dataclass(slots=True, eq=False)
class Work:
    """Recipients of one message that go the same way, in one transaction."""

    recipients: list[ClaimedRecipient]
    body: bytes | None = None  # read already; None: large, to be streamed
    head: bytes = b""  # lines of ours that go before the message
    signature: bytes = b""  # and before them; empty: it is not signed
    rewritten_sender: str | None = None  # None: it leaves under the message's own (U-036)

    @property
    def sender(self) -> str:
        return self.message.sender if self.rewritten_sender is None else self.rewritten_sender

    @property
    def size_bytes(self) -> int:
        return len(self.signature) + len(self.head) + self.message.size_bytes

    @property
    def message(self) -> ClaimedMessage:
        return self.recipients[0].message


@dataclass(frozen=True, slots=True)
class Peer:
    """Who answered: for the attempt's row."""

    host: str = ""
    address: str = ""
    tls: str = ""  # version and cipher; empty: none
    policy: str = ""  # whose demand the encryption was; stands in `tls`, too
    has_dsn: bool = False  # it takes over the duty to report success (RFC 3461 §5.2.2)


NOBODY = Peer()


@dataclass(frozen=True, slots=True)
class Result:
    """What one try came to for one recipient."""

    recipient: ClaimedRecipient
    outcome: Outcome
    started_at: int
    finished_at: int
    peer: Peer = NOBODY
    traceback: str = ""  # a fault of ours
    is_held: bool = False  # not a try: something of ours keeps it back
    is_returned: bool = False  # not a try: it is to be claimed anew
    sent_bytes: int = 0  # of the message, by the transaction that begins with this one (T-005)
    folder_id: int | None = None
    uid: int | None = None

    @property
    def is_try(self) -> bool:
        """Whether it counts and is written down as an attempt."""
        return not self.is_held and not self.is_returned

    @property
    def verdict(self) -> Verdict:
        return self.outcome.verdict


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the trace: who decided what, with the numbers that decided."""

    message_id: int
    recipient_id: int | None
    actor: str
    decision: str
    detail: dict[str, Any]


@dataclass(slots=True)
class Claim:
    """What one look into the spool brought."""

    recipients: list[ClaimedRecipient] = field(default_factory=list)
    next_due_at: int | None = None  # microseconds; None: nothing waits, or more is due now
    held: int = 0  # claimed and put off: a limit of their senders is reached
    is_blocked: bool = False  # full destinations hid others: they must be looked for one by one
