"""RCPT TO: is this address ours, or may it relay?"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from clock.moments import utc_now
from domains.directory import Cold
from listeners import bridge
from listeners.refusals import REFUSALS, smtp_reply
from listeners.smtp.session import MANY_UNKNOWN_RECIPIENTS, Session, command
from protocols.address import Address
from protocols.smtp import replies
from protocols.smtp.commands import Rcpt, State
from protocols.smtp.parameters import Notify, RcptParameters
from protocols.smtp.replies import Reply
from spool import routing, throttlebounces
from spool.callouts import Answer, process_callouts
from spool.errors import AddressUnknown
from spool.routing import Question, Resolution

TARPIT_SECONDS = 5.0
MOST_UNKNOWN_RECIPIENTS = 10


@command(Rcpt)
async def rcpt(session: Session, rcpt: Rcpt) -> Reply:
    """Accept or refuse one recipient; the transaction stays open. RFC 5321 §4.1.1.3."""
    assert session.mail is not None and session.intake is not None
    if session.accepted_recipients >= await session.recipients_limit():
        return replies.TOO_MANY_RECIPIENTS
    recipient = rcpt.recipient
    if not recipient.is_ascii and not session.mail.parameters.smtputf8:
        return replies.NON_ASCII_ADDRESS
    # G-041: old servers relayed by such addresses, and a server behind this one still might.
    if recipient.carries_route and not session.may_relay:
        return _refuse(session, recipient, replies.ROUTE_DENIED)
    try:
        resolution = await _resolve(session, recipient)
        if session.mail.sender is None:
            await _require_room_for_reports(resolution)
    except REFUSALS as error:
        reply = _refuse(session, recipient, smtp_reply(error, session.policy))
        is_unknown = isinstance(error, AddressUnknown)
        return await _slow_down(session, reply) if is_unknown else reply
    if (refusal := await _verify(session, resolution, recipient)) is not None:
        return _refuse(session, recipient, refusal)
    if resolution.via == "catch-all":
        # U-034: who guesses addresses is counted although every guess is taken.
        session.unknown_recipients += 1
    notify, orcpt = _wishes(rcpt.parameters)
    session.intake.add_recipient(recipient, resolution, notify=notify, orcpt=orcpt)
    session.accepted_recipients += 1
    session.state = State.RCPT
    return replies.RECIPIENT_OK


async def _resolve(session: Session, recipient: Address) -> Resolution:
    assert session.mail is not None and session.intake is not None
    submitter = session.intake.submitter
    question = Question(
        sender=session.intake.sender,
        may_relay=session.may_relay,
        submitter_domain_id=submitter.domain_id if submitter else None,
        submitter_account_id=submitter.account_id if submitter else None,
        local_ip=session.visit.local_ip,
        size_bytes=session.mail.parameters.size_bytes or 0,
        cached_only=True,
    )
    try:
        return routing.resolve(recipient, question)
    except Cold:
        return await bridge.ask(routing.resolve, recipient, replace(question, cached_only=False))


async def _require_room_for_reports(resolution: Resolution) -> None:
    """T-007: mail from the null sender waits where the hour's reports are used up.

    Raises TooManyReports.
    """
    targets = resolution.targets
    if await bridge.ask_warm(throttlebounces.is_limited, targets):
        await bridge.ask(throttlebounces.require_room, targets, utc_now())


async def _verify(session: Session, resolution: Resolution, recipient: Address) -> Reply | None:
    """G-016: mail for somebody else's domain is taken only for those whom its server knows."""
    relayed = resolution.to_verify
    if relayed is None or not relayed.verify_recipients:
        return None
    answer = await process_callouts(session.door.resolver).ask(relayed, recipient)
    if answer is Answer.TAKEN:
        return None
    is_unknown = answer is Answer.UNKNOWN
    return replies.NO_SUCH_MAILBOX if is_unknown else replies.RECIPIENT_UNVERIFIED


async def _slow_down(session: Session, reply: Reply) -> Reply:
    """Make guessing of addresses slow, then end it (M-062)."""
    session.unknown_recipients += 1
    if session.unknown_recipients <= MANY_UNKNOWN_RECIPIENTS or not session.is_watched:
        return reply
    if session.unknown_recipients > MOST_UNKNOWN_RECIPIENTS:
        session.is_over = True
        return replies.TOO_MANY_UNKNOWN
    await asyncio.sleep(TARPIT_SECONDS)
    return reply


def _refuse(session: Session, recipient: Address, reply: Reply) -> Reply:
    assert session.mail is not None
    return session.refuse(reply, sender=session.mail.sender, recipient=recipient.encode())


def _wishes(parameters: RcptParameters) -> tuple[str, str]:
    """NOTIFY and ORCPT as the spool keeps them; empty: not said."""
    notify = ""
    if parameters.notify is not None:
        words = [flag.name for flag in Notify if flag in parameters.notify and flag.name]
        notify = ",".join(words) or "NEVER"
    original = parameters.original_recipient
    return notify, "" if original is None else str(original)
