"""DATA and BDAT: stream the body, commit the intake."""

from __future__ import annotations

from listeners import bridge
from listeners.refusals import REFUSALS, smtp_reply
from listeners.smtp.author import AuthorCheck, begin_author_check
from listeners.smtp.session import Session, command, swallow
from operations.models import Kind
from protocols.smtp import replies
from protocols.smtp.commands import Bdat, Data, State
from protocols.smtp.data import DataReader, Fault, LineWatch
from protocols.smtp.parameters import Body
from protocols.smtp.replies import Reply

_FAULTS = {Fault.BARE_NEWLINE: replies.BARE_NEWLINE, Fault.NUL: replies.NUL_IN_MESSAGE}


@command(Data)
async def data(session: Session, _: Data) -> Reply:
    """Take the message up to CRLF.CRLF. RFC 5321 §4.1.1.4."""
    assert session.mail is not None
    if session.mail.parameters.body is Body.BINARY_MIME:
        return replies.DATA_NOT_FOR_BINARY
    check = begin_author_check(session)
    await session.connection.send(replies.START_DATA)
    await session.name_client()
    reader = DataReader()
    while not reader.is_complete:
        _write(session, reader.feed(await session.connection.read_some()), check)
    session.connection.unread(reader.rest or b"")
    return await _finish(session, reader.fault, check)


@command(Bdat)
async def bdat(session: Session, bdat: Bdat) -> Reply:
    """Take one chunk; after the last one the message is complete. RFC 3030 §2."""
    assert session.mail is not None
    if session.refusal is not None:
        await swallow(session.connection, bdat.size_bytes)
        return replies.CHUNK_REFUSED
    if session.state is State.RCPT:
        session.state = State.CHUNKS
        session.watch = LineWatch()
        await session.name_client()
        session.author_check = begin_author_check(session)
    refusal = await _take_chunk(session, bdat.size_bytes)
    if not bdat.is_last:
        return refusal or replies.chunk_received(bdat.size_bytes)
    is_binary = session.mail.parameters.body is Body.BINARY_MIME
    session.watch.end()
    return await _finish(session, None if is_binary else session.watch.fault, session.author_check)


async def _take_chunk(session: Session, size_bytes: int) -> Reply | None:
    while size_bytes:
        piece = await session.connection.read_some(size_bytes)
        size_bytes -= len(piece)
        session.watch.feed(piece)
        _write(session, piece, session.author_check)
    return session.refusal


def _write(session: Session, piece: bytes, check: AuthorCheck | None) -> None:
    """Hand a piece to the intake; once it has refused, what follows is read and thrown away."""
    if not piece or session.refusal is not None or session.intake is None:
        return
    if check is not None:
        check.feed(piece)
    try:
        session.intake.write(piece)
    except REFUSALS as error:
        session.refusal = smtp_reply(error, session.policy)


async def _finish(session: Session, fault: Fault | None, check: AuthorCheck | None) -> Reply:
    """The message has been read: make it our duty, or refuse it (N-025)."""
    intake = session.intake
    assert intake is not None and session.mail is not None
    if session.refusal is None and fault is not None:
        session.refusal = _FAULTS[fault]
    if session.refusal is None and check is not None:
        session.refusal = await check.judge(session)
    if session.refusal is None:
        try:
            await bridge.ask_warm(intake.require_room)
            await intake.commit()
        except REFUSALS as error:
            session.refusal = smtp_reply(error, session.policy)
    reply = session.refusal
    if reply is not None:
        session.refuse(reply, sender=session.mail.sender)
    else:
        _count(session, len(intake.recipients))
    name = intake.name
    session.reset()
    return reply if reply is not None else replies.accepted(name)


def _count(session: Session, recipients: int) -> None:
    """For the rules about harvesters and internal spammers (M-062, M-065)."""
    session.accepted_messages += 1
    if session.account_id is not None:
        session.door.guard.count(Kind.SPAMMING, "smtp", str(session.account_id), recipients)
