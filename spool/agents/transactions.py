"""One transaction with another server: what it is given, and what came of it (S-053, S-054)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Sequence

from protocols.message.sevenbit import to_seven_bit
from protocols.smtp.client import CONNECTION_LOST
from protocols.smtp.outgoing import (
    Body,
    Outcome,
    OutgoingEnvelope,
    OutgoingRecipient,
    Stage,
    Verdict,
)
from protocols.smtp.replies import Reply
from spool import signatures
from spool.work import Work

POSTPONED = Outcome(
    Verdict.DEFERRED, Reply(452, "4.5.3", "Too many recipients"), Stage.RCPT, by_peer=False
)


def must_be_converted(body: Body, extensions: Container[str]) -> bool:
    """S-054: the server does not promise to pass what the message holds."""
    if body is Body.BINARY:
        return "BINARYMIME" not in extensions or "CHUNKING" not in extensions
    return body is Body.EIGHT_BIT and "8BITMIME" not in extensions


def whole(
    work: Work, read_body: Callable[[], AsyncIterator[bytes]]
) -> bytes | AsyncIterator[bytes]:
    head = work.signature + work.head
    if work.body is not None:
        return head + work.body if head else work.body
    return _after(head, read_body()) if head else read_body()


async def _after(head: bytes, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in body:
        yield chunk


async def seven_bit(work: Work, read_body: Callable[[], AsyncIterator[bytes]]) -> bytes:
    """All of the message at once, in a thread: rare, and slow for large ones."""
    message = work.body
    if message is None:
        message = b"".join([chunk async for chunk in read_body()])
    return await asyncio.get_running_loop().run_in_executor(None, _converted, work, message)


def _converted(work: Work, message: bytes) -> bytes:
    """Signed anew: the signature of the message as it was would not fit."""
    message = to_seven_bit(message)
    if work.message.list_id is not None:
        signature = signatures.sign_converted(work.message, work.head + message)
        return signature + work.head + message
    signature = signatures.sign(work.message, [message]) if work.signature else b""
    return signature + work.head + message


def make_envelope(work: Work, indexes: Sequence[int]) -> OutgoingEnvelope:
    message = work.message
    recipients = [work.recipients[index] for index in indexes]
    return OutgoingEnvelope(
        sender=work.sender,
        recipients=tuple(
            OutgoingRecipient(
                recipient.address,
                recipient.notify or None,
                recipient.orcpt
                or (f"rfc822;{recipient.original_address}" if recipient.notify else None),
            )
            for recipient in recipients
        ),
        size_bytes=work.size_bytes,
        body=Body(message.body_type),
        needs_smtputf8=message.smtputf8,
        ret=message.ret or None,
        envid=message.envid or None,
    )


def too_many(outcomes: Sequence[Outcome]) -> list[int]:
    """Positions to be sent again at once: the server took its fill of recipients, not these."""
    refused = [
        position
        for position, outcome in enumerate(outcomes)
        if outcome.stage is Stage.RCPT
        and outcome.reply.code in (452, 552)
        and outcome.reply.enhanced in ("4.5.3", "5.5.3")
    ]
    # RFC 5321 §4.5.3.1.10. A server that takes nobody at all is not asked again and again.
    return refused if len(refused) < len(outcomes) else []


def bytes_sent(work: Work, outcomes: Sequence[Outcome]) -> int:
    """Of the message, in one transaction; 0 where the server never asked for it (T-005)."""
    is_sent = any(outcome.stage is Stage.END_OF_DATA for outcome in outcomes)
    return work.message.size_bytes if is_sent else 0


def went_unheard(outcomes: Sequence[Outcome]) -> bool:
    """The connection was gone before the server answered to anything of this message."""
    return all(
        outcome.stage is Stage.MAIL
        and (outcome.reply.code == 421 if outcome.by_peer else outcome.reply == CONNECTION_LOST)
        for outcome in outcomes
    )
