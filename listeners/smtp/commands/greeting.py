"""EHLO, HELO, STARTTLS and the commands that do nothing."""

from __future__ import annotations

from listeners import login
from listeners.smtp.session import Session, command
from protocols.smtp import replies
from protocols.smtp.commands import Ehlo, Expn, Helo, Help, Noop, Quit, Rset, StartTls, State, Vrfy
from protocols.smtp.replies import Reply

_ALWAYS = (
    "PIPELINING", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES",
    "MT-PRIORITY",
)  # fmt: skip


@command(Ehlo)
async def ehlo(session: Session, ehlo: Ehlo) -> Reply:
    """Tell what can be done. After AUTH the limits are the user's (D-090, D-091)."""
    session.state = State.GREETED
    session.reset()
    session.client_name = ehlo.domain
    session.door.client_names.begin(session.visit.client_ip)
    session.is_extended = True
    keywords = [*_ALWAYS]
    # RFC 1870 §4: a SIZE of 0 says that there is no fixed limit.
    keywords.append(f"SIZE {await session.message_limit() or 0}")
    keywords.append(f"LIMITS RCPTMAX={await session.recipients_limit()}")  # RFC 9422
    if not session.visit.is_encrypted and session.door.certificates.is_available:
        keywords.append("STARTTLS")
    if session.account_id is None:
        mechanisms = await login.offered_mechanisms(session.visit)
        keywords.append("AUTH " + " ".join(mechanisms))
    return replies.ehlo(session.door.hostname, keywords)


@command(Helo)
async def helo(session: Session, helo: Helo) -> Reply:
    session.state = State.GREETED
    session.reset()
    session.client_name = helo.domain
    session.door.client_names.begin(session.visit.client_ip)
    session.is_extended = False
    return replies.helo(session.door.hostname)


@command(StartTls)
async def starttls(session: Session, _: StartTls) -> Reply | None:
    """RFC 3207. The reply is sent here, because what follows it is TLS already."""
    if session.visit.is_encrypted:
        return replies.ALREADY_ENCRYPTED
    if session.account_id is not None:
        return replies.BAD_SEQUENCE
    if not session.door.certificates.is_available:
        return replies.TLS_NOT_AVAILABLE
    await session.connection.send(replies.READY_FOR_TLS)
    await session.connection.start_tls()
    session.forget_all()
    return None


@command(Rset)
async def rset(session: Session, _: Rset) -> Reply:
    session.reset()
    return replies.OK


@command(Noop)
async def noop(session: Session, _: Noop) -> Reply:
    return replies.OK


@command(Help)
async def help_(session: Session, _: Help) -> Reply:
    return replies.HELP


@command(Vrfy)
async def vrfy(session: Session, _: Vrfy) -> Reply:
    """Nothing is told to harvesters. RFC 5321 §7.3."""
    return replies.CANNOT_VERIFY


@command(Expn)
async def expn(session: Session, _: Expn) -> Reply:
    return replies.NO_EXPANSION


@command(Quit)
async def quit_(session: Session, _: Quit) -> Reply:
    session.reset()
    session.is_over = True
    return replies.BYE
