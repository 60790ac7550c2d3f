"""What each POP3 command does: check, ask, answer. RFC 1939 §5 to §7."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from blobs.errors import StoreError
from listeners import login
from listeners.base import start_tls
from listeners.login import LoginRefused, TooManySessions
from listeners.pop3.maildrop import OpenMaildrop
from listeners.pop3.session import Answer, GivenUp, Session
from mailboxes.errors import MaildropLocked
from protocols import sasl
from protocols.pop3 import replies
from protocols.pop3.commands import (
    Auth,
    Capa,
    Command,
    Dele,
    List,
    Noop,
    Pass,
    Quit,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
    User,
    Utf8,
)
from protocols.pop3.multiline import Stuffer, TopCutter
from protocols.pop3.replies import Capabilities, Reply, listing, ok
from protocols.pop3.server import State

MAXIMUM_FAILED_LOGINS = 3

C = TypeVar("C", bound=Command)
Carrier = Callable[[Session, Any], Answer | Coroutine[Any, Any, Answer]]
CARRIERS: dict[type[Command], Carrier] = {}


def carries_out(kind: type[C]) -> Callable[[Carrier], Carrier]:
    """Register what a command does."""

    def register(carrier: Carrier) -> Carrier:
        CARRIERS[kind] = carrier
        return carrier

    return register


# --- any time ------------------------------------------------------------------------------


@carries_out(Capa)
async def capa(session: Session, command: Capa) -> Answer:
    """What may be done now, on this connection as it is. RFC 2449 §5."""
    if session.wire.state is State.TRANSACTION:
        return Capabilities().encode()
    return Capabilities(
        mechanisms=tuple(await login.offered_mechanisms(session.visit)),
        may_start_tls=_may_start_tls(session),
        may_user=await login.may_show_password(session.visit),
    ).encode()


@carries_out(Quit)
async def quit_(session: Session, command: Quit) -> Answer:
    """In TRANSACTION this begins UPDATE: now, and only now, deletes become true. §6."""
    maildrop, session.maildrop = session.maildrop, None
    session.wire.change_to(State.CLOSED)
    if maildrop is None:
        return replies.GOODBYE
    try:
        await maildrop.update()
    except StoreError:
        return replies.NOT_ALL_REMOVED
    return replies.GOODBYE


# --- before login ---------------------------------------------------------------------------


def _may_start_tls(session: Session) -> bool:
    return session.door.certificates.is_available and not session.visit.is_encrypted


@carries_out(Stls)
async def stls(session: Session, command: Stls) -> Answer:
    """Turn to TLS; nothing that the client sent in clear text counts any more. RFC 2595 §4."""
    if session.visit.is_encrypted:
        return replies.TLS_ALREADY
    if not _may_start_tls(session) or session.transport is None:
        return replies.TLS_UNAVAILABLE
    transport = session.transport
    # No byte may be read as plain text from here on: neither one that came with the command
    # nor one that comes before the handshake has begun.
    transport.pause_reading()
    session.wire.await_tls()
    session.send(replies.BEGIN_TLS)
    session.flush()
    try:
        session.transport = await start_tls(transport, session, session.door.certificates)
    except OSError:
        transport.abort()
        return None
    session.visit.is_encrypted = True
    session.name = ""
    session.wire.tls_started()
    return None


@carries_out(Utf8)
def utf8(session: Session, command: Utf8) -> Answer:
    """Messages go out as they are stored, with or without this. RFC 6856 §2."""
    return replies.UTF8_ON


@carries_out(User)
async def user(session: Session, command: User) -> Answer:
    """Whether the name is anybody's is not told. RFC 1939 §7, N-006."""
    if not await login.may_show_password(session.visit):
        return replies.CLEAR_TEXT_REFUSED
    session.name = command.name
    session.wire.change_to(State.NAMED)
    return replies.NAME_OK


@carries_out(Pass)
async def pass_(session: Session, command: Pass) -> Answer:
    session.wire.change_to(State.AUTHORIZATION)
    try:
        account = await login.by_password(session.visit, session.name, command.password)
    except LoginRefused:
        return _count_failure(session)
    except TooManySessions:
        return replies.TOO_MANY_LOGINS
    return await _enter(session, account.account_id)


@carries_out(Auth)
async def auth(session: Session, command: Auth) -> Answer:
    """Run a SASL mechanism to its end. RFC 5034 §4."""
    if not command.mechanism:
        return listing(ok("Mechanisms follow"), await login.offered_mechanisms(session.visit))
    exchange = sasl.begin(command.mechanism, hostname=session.door.hostname)
    if exchange is None:
        return replies.NO_SUCH_MECHANISM
    is_clear = command.mechanism in sasl.CLEAR_TEXT
    if is_clear and not await login.may_show_password(session.visit):
        return replies.CLEAR_TEXT_REFUSED
    try:
        account = await login.by_mechanism(
            session.visit, exchange, command.initial_response, session.converse
        )
    except sasl.Cancelled:
        return replies.AUTH_CANCELLED
    except (sasl.Malformed, GivenUp):
        return replies.AUTH_MALFORMED
    except LoginRefused:
        return _count_failure(session)
    except TooManySessions:
        return replies.TOO_MANY_LOGINS
    return await _enter(session, account.account_id)


async def _enter(session: Session, account_id: int) -> Reply:
    try:
        session.maildrop = await OpenMaildrop.open(session.visit, account_id)
    except MaildropLocked:
        return replies.MAILDROP_IN_USE
    session.wire.change_to(State.TRANSACTION)
    return replies.LOGGED_IN


def _count_failure(session: Session) -> Reply:
    session.failed_logins += 1
    if session.failed_logins < MAXIMUM_FAILED_LOGINS:
        return replies.LOGIN_FAILED
    session.wire.change_to(State.CLOSED)
    return replies.TOO_MANY_FAILED_LOGINS


# --- in the maildrop --------------------------------------------------------------------------


def _maildrop(session: Session) -> OpenMaildrop:
    assert session.maildrop is not None, "the table of states lets nobody here before login"
    return session.maildrop


@carries_out(Stat)
def stat(session: Session, command: Stat) -> Answer:
    maildrop = _maildrop(session)
    return ok(f"{len(maildrop.numbers())} {maildrop.total_bytes()}")


@carries_out(List)
def list_(session: Session, command: List) -> Answer:
    maildrop = _maildrop(session)
    if command.number is not None:
        return maildrop.refusal(command.number) or ok(
            f"{command.number} {maildrop[command.number].size_bytes}"
        )
    numbers = maildrop.numbers()
    first = ok(f"{len(numbers)} messages ({maildrop.total_bytes()} octets)")
    return listing(first, (f"{number} {maildrop[number].size_bytes}" for number in numbers))


@carries_out(Uidl)
def uidl(session: Session, command: Uidl) -> Answer:
    maildrop = _maildrop(session)
    if command.number is not None:
        return maildrop.refusal(command.number) or ok(
            f"{command.number} {maildrop.unique_id(command.number)}"
        )
    lines = (f"{number} {maildrop.unique_id(number)}" for number in maildrop.numbers())
    return listing(ok("Unique ids follow"), lines)


@carries_out(Retr)
async def retr(session: Session, command: Retr) -> Answer:
    return await _send_message(session, command.number, None)


@carries_out(Top)
async def top(session: Session, command: Top) -> Answer:
    return await _send_message(session, command.number, TopCutter(command.lines))


async def _send_message(session: Session, number: int, cutter: TopCutter | None) -> Answer:
    """All of it, or what the cutter lets pass, as fast as the client reads."""
    maildrop = _maildrop(session)
    refusal = maildrop.refusal(number)
    if refusal is not None:
        return refusal
    stuffer = Stuffer()
    has_begun = False
    try:
        async for chunk in maildrop.read(number):
            if not has_begun:
                session.send(ok(f"{maildrop[number].size_bytes} octets"))
                has_begun = True
            session.send(stuffer.feed(chunk if cutter is None else cutter.feed(chunk)))
            if cutter is not None and cutter.is_finished:
                break
            if session.has_much_to_send:
                await session.drained()
    except StoreError:
        if not has_begun:
            return replies.MESSAGE_DAMAGED
        # Half a message is told apart from a whole one only by the missing end mark.
        session.cut()
        return None
    return stuffer.finish()


@carries_out(Dele)
def dele(session: Session, command: Dele) -> Answer:
    maildrop = _maildrop(session)
    refusal = maildrop.refusal(command.number)
    if refusal is None:
        maildrop.deleted.add(command.number)
    return refusal or ok(f"Message {command.number} is marked as deleted")


@carries_out(Noop)
def noop(session: Session, command: Noop) -> Answer:
    return replies.NOTHING_TO_SAY


@carries_out(Rset)
def rset(session: Session, command: Rset) -> Answer:
    _maildrop(session).deleted.clear()
    return replies.UNDELETED
