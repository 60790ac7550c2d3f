"""To a mailing list: a post, a report about a copy, or words to the list itself (L-003…L-015).

What becomes of a message is decided here and written by `spool.lists.deliveries`. Who takes the
mail of an address is a table: rooms of other duties register themselves with `takes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from blobs.errors import StoreError
from blobs.store import NewRecord, read_body
from clock.moments import to_micros, utc_now
from domains import directory as domain_directory
from domains.policy import DomainPolicy
from mailinglists.addresses import Part
from mailinglists.directory import ListPolicy
from mailinglists.models import HeldPost, Post
from protocols.address import Address, fold
from protocols.message import headers
from protocols.smtp.outgoing import Outcome, Stage, Verdict
from protocols.smtp.replies import Reply
from spool.acceptance import Acceptance
from spool.lists import addresses
from spool.work import ClaimedRecipient, Result

ACTOR = "mailing list"
HEADER_BYTES = 256 * 1024

LIST_GONE = Reply(550, "5.1.1", "The mailing list does not exist any more")
DOMAIN_HELD = Reply(450, "4.2.1", "The domain is switched off for now")
FAULT = Reply(451, "4.3.0", "The mailing list could not take it, for a reason of ours")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message for one of the addresses of a list, or of the command address.

    `policy` and `part` None: it is for the domain's command address (D-035).
    """

    recipient: ClaimedRecipient
    domain: DomainPolicy
    policy: ListPolicy | None
    part: Part | None
    head: bytes  # the message as far as its header goes
    now: datetime

    @property
    def local_part(self) -> str:
        """Folded, as it was written to."""
        return fold(Address.parse(self.recipient.address).local_part)

    def read(self) -> bytes:
        """The whole message. Raises StoreError."""
        location = self.recipient.message.location
        if location is None:
            raise StoreError("the message has no body any more")
        return read_body(location)


@dataclass(slots=True)
class Taken:
    """What became of it; all is written in the transaction that ends the recipient.

    `reply` of a `verdict` FAILED is what its sender is told. `decision` and `detail` stand in the
    trace. `answers` are messages that it caused, as `spool.intake` prepares them.
    """

    verdict: Verdict
    reply: Reply
    decision: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    is_discarded: bool = False
    is_held: bool = False  # by the domain: it comes up again
    post: Post | None = None
    held: HeldPost | None = None
    records: list[NewRecord] = field(default_factory=list)
    answers: Sequence[Acceptance] = ()


Taker = Callable[[Incoming], Taken]
TAKERS: dict[Part | None, Taker] = {}


def takes(*parts: Part | None) -> Callable[[Taker], Taker]:
    """Register who takes the mail of these addresses; None: of the command address.

    Called in a thread, outside of any transaction; an error of it is a fault, and tried again.
    """

    def register(taker: Taker) -> Taker:
        TAKERS.update(dict.fromkeys(parts, taker))
        return taker

    return register


def open_one(recipient: ClaimedRecipient) -> Incoming | Taken:
    """What it is for; Taken: nobody is there to take it. Asks directories and reads the header."""
    address = Address.parse(recipient.address)
    domain = domain_directory.by_name(address.domain)
    if domain is None:
        return failed(LIST_GONE)
    if domain.is_disabled or domain.is_closed:
        return Taken(Verdict.DEFERRED, DOMAIN_HELD, is_held=True)
    local_part = fold(address.local_part)
    location = recipient.message.location
    head = b"" if location is None else read_body(location, 0, HEADER_BYTES)
    head = head[: headers.body_start(head)]
    policy, part = None, None
    if local_part != domain.list_command_address:
        found = addresses.find(domain, local_part)
        if found is None:
            return failed(LIST_GONE)
        policy, part = found
    return Incoming(recipient, domain, policy, part, head, utc_now())


def take(incoming: Incoming) -> Taken:
    """Hand it to whoever takes the mail of that address."""
    taker = TAKERS.get(incoming.part)
    return failed(LIST_GONE) if taker is None else taker(incoming)


def failed(reply: Reply) -> Taken:
    return Taken(Verdict.FAILED, reply)


def discarded(words: str, **detail: Any) -> Taken:
    """Nobody is told, but whoever looks into the trace."""
    reply = Reply(250, "2.0.0", words[:1].upper() + words[1:])
    return Taken(
        Verdict.DELIVERED, reply, "discarded", {"reason": words, **detail}, is_discarded=True
    )


def done(words: str, decision: str, **detail: Any) -> Taken:
    return Taken(Verdict.DELIVERED, Reply(250, "2.0.0", words), decision, detail)


def result(recipient: ClaimedRecipient, taken: Taken, started_at: int) -> Result:
    outcome = Outcome(taken.verdict, taken.reply, Stage.END_OF_DATA, by_peer=False)
    finished_at = to_micros(utc_now())
    return Result(recipient, outcome, started_at, finished_at, is_held=taken.is_held)
