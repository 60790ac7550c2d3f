"""What the spool writes into the delivery log: each message accepted, and each try."""

from __future__ import annotations

from collections.abc import Iterable

from blobs.ids import encode_id
from logbook.kinds import Kind, Level
from logbook.writer import BOOK
from spool.acceptance import Acceptance
from spool.work import ClaimedRecipient, Result

MOST_DOMAINS = 20


def accepted(job: Acceptance) -> None:
    """After the commit."""
    if not BOOK.takes(Kind.DELIVERY, Level.NORMAL):
        return
    message = job.message
    sender: str = message["sender"]
    total = len(job.recipients)
    at_once = sum(recipient.delivery is not None for recipient in job.recipients)
    text = (
        f"{encode_id(message['id'])} accepted from <{sender}>, {message['size_bytes']} bytes,"
        f" {total} recipients, {at_once} delivered at once"
    )
    addresses = (sender, *(one.target.address for one in job.recipients[:MOST_DOMAINS]))
    BOOK.note(Kind.DELIVERY, text, session=message["id"], domains=_domains(addresses))


def tried(result: Result) -> None:
    reply, peer = result.outcome.reply, result.peer
    by = f" by {peer.host} [{peer.address}]" if peer.host else ""
    words = " ".join(part for part in (reply.enhanced, reply.text) if part)
    _note(result.recipient, f"{result.verdict.name.lower()}{by}: {reply.code} {words}")


def delivered_here(recipient: ClaimedRecipient) -> None:
    _note(recipient, "delivered to the mailbox")


def _note(recipient: ClaimedRecipient, words: str) -> None:
    message = recipient.message
    addresses = [recipient.address, recipient.original_address]
    if recipient.address.lower() == recipient.original_address.lower():
        # Else the line would tell the sender whereto an alias of others leads.
        addresses.append(message.sender)
    BOOK.note(
        Kind.DELIVERY,
        f"{encode_id(message.message_id)} to <{recipient.address}>, try {recipient.attempts}, "
        f"{words}",
        session=message.message_id,
        domains=_domains(addresses),
    )


def _domains(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple({address.rpartition("@")[2].lower() for address in addresses if address})
