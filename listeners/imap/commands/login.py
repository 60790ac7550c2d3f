"""Before login: greeting, STARTTLS, LOGIN, AUTHENTICATE. RFC 3501 §6.2."""

from __future__ import annotations

from accounts.directory import AccountPolicy
from listeners import bridge
from listeners import login as logins
from listeners.base import start_tls
from listeners.imap import capabilities
from listeners.imap.carriers import carries_out
from listeners.imap.session import Session
from listeners.login import LoginRefused, TooManySessions
from operations import settings
from protocols import sasl
from protocols.imap import commands
from protocols.imap.responses import Status, bad, capability_code, no, ok
from protocols.sasl import Exchange

MAXIMUM_FAILURES = 3

# Nobody learns whether the name, the password, the status or the access was wrong (N-011).
_WRONG = no("Authentication failed", b"AUTHENTICATIONFAILED")
_TOO_MANY = no("Too many sessions of yours are open", b"LIMIT")
_SHOWS_PASSWORD = no("Passwords are not taken without TLS", b"PRIVACYREQUIRED")
_UNKNOWN_MECHANISM = no("Authentication mechanism is not offered")
_MALFORMED = bad("Authentication response is malformed")
_CANCELLED = bad("Authentication cancelled")
_NO_TLS = no("TLS is not available now", b"UNAVAILABLE")
_TLS_ALREADY = bad("TLS is active already")
_LOGGED_IN = ok("Logged in", capabilities.LOGGED_IN_CODE)


async def greet(session: Session) -> Status:
    """The first line; with the capabilities, which saves the client a command."""
    await bridge.ask_warm(settings.current)  # so that `door.policy` finds it remembered
    await learn_capabilities(session)
    return ok(f"{session.door.hostname} ready", capability_code(session.capabilities))


async def learn_capabilities(session: Session) -> None:
    mechanisms = await logins.offered_mechanisms(session.visit)
    session.capabilities = capabilities.for_stranger(
        mechanisms=tuple(mechanisms), may_start_tls=_may_start_tls(session)
    )


def _may_start_tls(session: Session) -> bool:
    return session.door.certificates.is_available and not session.visit.is_encrypted


@carries_out(commands.StartTls)
async def begin_tls(session: Session, command: commands.StartTls) -> Status | None:
    if session.visit.is_encrypted:
        return _TLS_ALREADY
    if not _may_start_tls(session) or session.transport is None:
        return _NO_TLS
    transport = session.transport
    # From here on no byte may be read as plain text: neither what came with the command
    # (RFC 9051 §11.1, command injection) nor what comes before the handshake has begun.
    transport.pause_reading()
    session.reader.discard()
    session.send(ok("Begin TLS negotiation now").encode(session.tag))
    session.flush()
    try:
        encrypted = await start_tls(transport, session, session.door.certificates)
    except OSError:
        transport.abort()
        session.connection_lost(None)  # nobody else says so when a handshake fails
        return None
    session.turn_to_tls(encrypted)
    await learn_capabilities(session)
    return None


@carries_out(commands.Login)
async def log_in(session: Session, command: commands.Login) -> Status | None:
    if not await logins.may_show_password(session.visit):
        return _SHOWS_PASSWORD
    try:
        name, password = command.name.decode(), command.password.decode()
    except UnicodeDecodeError:
        return _WRONG
    try:
        account = await logins.by_password(session.visit, name, password)
    except LoginRefused:
        return _count_failure(session)
    except TooManySessions:
        return _TOO_MANY
    return _enter(session, account)


@carries_out(commands.Authenticate)
async def authenticate(session: Session, command: commands.Authenticate) -> Status | None:
    exchange = sasl.begin(command.mechanism, hostname=session.door.hostname)
    if exchange is None:
        return _UNKNOWN_MECHANISM
    is_clear = command.mechanism in sasl.CLEAR_TEXT
    if is_clear and not await logins.may_show_password(session.visit):
        return _SHOWS_PASSWORD
    try:
        account = await _run(session, exchange, command.initial)
    except sasl.Cancelled:
        return _CANCELLED
    except sasl.Malformed:
        return _MALFORMED
    except LoginRefused:
        return _count_failure(session)
    except TooManySessions:
        return _TOO_MANY
    return _enter(session, account)


async def _run(session: Session, exchange: Exchange, initial: bytes | None) -> AccountPolicy:
    async def converse(challenge: bytes) -> bytes:
        session.send(b"+ %b\r\n" % sasl.encode_challenge(challenge))
        return sasl.decode_response(await session.next_line())

    return await logins.by_mechanism(session.visit, exchange, initial, converse)


def _enter(session: Session, account: AccountPolicy) -> Status:
    session.log_in(account)
    session.capabilities = capabilities.LOGGED_IN
    return _LOGGED_IN


def _count_failure(session: Session) -> Status | None:
    session.failed_logins += 1
    if session.failed_logins < MAXIMUM_FAILURES:
        return _WRONG
    session.send(_WRONG.encode(session.tag))
    session.say_goodbye("Too many failed logins")
    return None
