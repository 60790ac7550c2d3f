"""To a mailbox of ours, for recipients that the acceptance itself could not serve (S-052)."""

from __future__ import annotations

from accounts import directory
from clock.moments import to_micros, utc_now
from domains import directory as domain_directory
from mailboxes.delivery import Delivery
from mailboxes.models import Folder
from protocols.message import headers, received
from protocols.smtp.outgoing import Outcome, Stage, Verdict
from protocols.smtp.replies import Reply
from spool.lists import copies
from spool.models import Kind, Origin
from spool.placing import Placing
from spool.work import ClaimedRecipient, Result

DELIVERED = Reply(250, "2.1.5", "Delivered")
DOMAIN_GONE = Reply(550, "5.1.2", "The domain is no longer served here")
ACCOUNT_GONE = Reply(550, "5.1.1", "The mailbox does not exist any more")
ACCOUNT_DISABLED = Reply(550, "5.2.1", "The mailbox is switched off")
DOMAIN_HELD = Reply(450, "4.2.1", "The domain is switched off for now")
LOOPS = Reply(554, "5.4.6", "The message has been in this mailbox before: it goes in a circle")
FAULT = Reply(451, "4.3.0", "Delivery failed here, for a reason of ours")
FULL = Reply(452, "4.2.2", "The mailbox is full")


def prepare(recipient: ClaimedRecipient, head: bytes) -> tuple[Result, Delivery | None]:
    """The result, with the delivery that makes it true; no delivery: the result stands already.

    `head` is the message as far as its header goes. Asks the directories, so in a thread.
    """
    now = to_micros(utc_now())
    refusal, verdict = _refusal(recipient, head)
    if refusal is not None:
        outcome = Outcome(verdict, refusal, Stage.END_OF_DATA, by_peer=False)
        is_held = refusal is DOMAIN_HELD
        return Result(recipient, outcome, now, now, is_held=is_held), None
    outcome = Outcome(Verdict.DELIVERED, DELIVERED, Stage.END_OF_DATA, by_peer=False)
    return Result(recipient, outcome, now, now), _delivery(recipient, now)


def refused_by_mailbox(result: Result) -> Result:
    """What stands instead of `result` when the mailbox was full after all: try again later."""
    outcome = Outcome(Verdict.DEFERRED, FULL, Stage.END_OF_DATA, by_peer=False)
    return Result(result.recipient, outcome, result.started_at, to_micros(utc_now()))


def faulty(recipient: ClaimedRecipient, words: str) -> Result:
    """A message is never lost by a fault of ours: the try is on record, and repeated."""
    now = to_micros(utc_now())
    outcome = Outcome(Verdict.DEFERRED, FAULT, Stage.END_OF_DATA, by_peer=False)
    return Result(recipient, outcome, now, now, traceback=words)


def _refusal(recipient: ClaimedRecipient, head: bytes) -> tuple[Reply | None, Verdict]:
    account = None if recipient.account_id is None else directory.account(recipient.account_id)
    if account is None:
        return ACCOUNT_GONE, Verdict.FAILED
    domain = domain_directory.policy(account.domain_id)
    if domain is None:
        return DOMAIN_GONE, Verdict.FAILED
    if domain.is_disabled or domain.is_closed:
        return DOMAIN_HELD, Verdict.DEFERRED
    if not account.receives:
        return ACCOUNT_DISABLED, Verdict.FAILED
    # S-056: our own mark on the message says that it has been here.
    seen = {
        value.strip().decode("utf-8", "replace").lower()
        for value in headers.every(head, b"delivered-to")
    }
    if recipient.message.origin == Origin.RETRIEVAL:
        return None, Verdict.DELIVERED  # it bears the marks of where it was fetched
    if recipient.address.lower() in seen or recipient.original_address.lower() in seen:
        return LOOPS, Verdict.FAILED
    return None, Verdict.DELIVERED


def _delivery(recipient: ClaimedRecipient, now: int) -> Delivery:
    message = recipient.message
    assert message.location is not None and recipient.account_id is not None
    account = directory.account(recipient.account_id)
    assert account is not None
    lines = received.return_path(recipient.return_path or message.sender)
    lines += received.delivered_to(recipient.address) + copies.own_fields(recipient)
    prefix = lines.decode()
    place = Placing.parse(recipient.place)
    has_gone = place.folder_id and not Folder.objects.filter(pk=place.folder_id).exists()
    return Delivery(
        account_id=account.account_id,
        domain_id=account.domain_id,
        blob_id=message.location.blob_id,
        prefix=prefix,
        size_bytes=len(prefix.encode()) + message.size_bytes,
        received_at=now if place.received_at is None else place.received_at,
        folder_id=None if has_gone else place.folder_id,
        flags=place.flags,
        spooled_id=message.message_id,
        is_exempt=Kind(message.kind).is_exempt,
    )
