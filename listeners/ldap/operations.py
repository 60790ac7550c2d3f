"""What each operation does but searching: check, ask, answer. RFC 4511 §4."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from accounts.directory import AccountPolicy
from domains import directory as domain_directory
from listeners import bridge, login
from listeners.base import start_tls
from listeners.ldap import searching, tree
from listeners.login import LoginRefused, TooManySessions
from protocols import sasl
from protocols.ldap import controls, filters, names, results
from protocols.ldap.filters import Undefined
from protocols.ldap.names import MalformedName
from protocols.ldap.requests import Bind, Compare, Extended, Message, Operation, Search
from protocols.ldap.responses import CHANGE_PASSWORD, START_TLS, WHO_AM_I
from protocols.ldap.results import Result, ResultCode

if TYPE_CHECKING:
    from listeners.ldap.session import Session

Carrier = Callable[["Session", Message], Awaitable[None]]

VERSION = 3
_NO_PASSWORD = Result(ResultCode.UNWILLING_TO_PERFORM, "A name without a password proves nothing.")
_TOO_MANY = Result(ResultCode.BUSY, "Too many sessions of this user.")
_NO_MECHANISM = Result(ResultCode.AUTH_METHOD_NOT_SUPPORTED, "Use a password, or PLAIN.")


async def bind(session: Session, message: Message) -> None:
    """§4.2. Whatever comes of it, who was logged in before is no more (RFC 4513 §4)."""
    request = message.operation
    assert isinstance(request, Bind)
    session.log_out()
    result = await _bind(session, request) if _may(message) else controls.UNKNOWN_CRITICAL
    if result.code == ResultCode.INVALID_CREDENTIALS:
        session.failed_logins += 1
    session.finish(message, result)


async def _bind(session: Session, request: Bind) -> Result:
    if request.version != VERSION:
        return Result(ResultCode.PROTOCOL_ERROR, "Only version 3 of LDAP is spoken here.")
    if request.mechanism:
        return await _bind_by_mechanism(session, request)
    if not request.credentials:
        # RFC 4513 §5.1.1, §5.1.2: without a name it is a stranger's; with one it is a mistake.
        return _NO_PASSWORD if request.name else results.SUCCESS
    if not await login.may_show_password(session.visit):
        return results.TLS_FIRST
    try:
        password = request.credentials.decode()
        # PostgreSQL takes no NUL; nobody's name has a replacement character either.
        name = _login_of(request.name).replace("\0", "\ufffd")
        account = await login.by_password(session.visit, name, password)
    except (UnicodeDecodeError, LoginRefused):
        return results.LOGIN_FAILED
    except TooManySessions:
        return _TOO_MANY
    return await _enter(session, account)


async def _bind_by_mechanism(session: Session, request: Bind) -> Result:
    """§4.2, RFC 4513 §5.2: PLAIN, whose one message comes with the request (RFC 4616 §2)."""
    if request.mechanism != "PLAIN":
        return _NO_MECHANISM
    if not await login.may_show_password(session.visit):
        return results.TLS_FIRST
    exchange = sasl.begin("PLAIN", hostname=session.door.hostname)
    assert exchange is not None
    try:
        account = await login.by_mechanism(
            session.visit, exchange, request.credentials, _no_further_step
        )
    except (sasl.Malformed, LoginRefused):
        return results.LOGIN_FAILED
    except TooManySessions:
        return _TOO_MANY
    return await _enter(session, account)


async def _no_further_step(challenge: bytes) -> bytes:
    raise sasl.Cancelled


async def _enter(session: Session, account: AccountPolicy) -> Result:
    policy = await bridge.ask_warm(domain_directory.policy, account.domain_id)
    base = names.of_domain(policy.name) if policy is not None else ""
    session.log_in(f"uid={names.escape(account.local_part)},ou=people,{base}")
    return results.SUCCESS


def _login_of(name: str) -> str:
    """`uid=ann,ou=people,dc=example,dc=com` as ann@example.com; anything else as it is."""
    try:
        parts = names.parse(name) if "=" in name else ()
    except MalformedName:
        return name
    domain = names.to_domain(parts[2:])
    is_person = len(parts) > 2 and parts[0].attribute in ("uid", "cn") and domain is not None
    if not is_person or parts[1] != names.Part("ou", "people"):
        return name
    return f"{parts[0].value}@{domain}"


async def compare(session: Session, message: Message) -> None:
    """§4.10. What a search would not show cannot be asked for here either."""
    request = message.operation
    assert isinstance(request, Compare)
    session.finish(
        message, await _compare(session, request) if _may(message) else controls.UNKNOWN_CRITICAL
    )


async def _compare(session: Session, request: Compare) -> Result:
    account_id = session.visit.account_id
    if account_id is None:
        return results.LOGIN_FIRST
    try:
        name = names.parse(request.name)
    except MalformedName:
        return Result(ResultCode.INVALID_DN_SYNTAX)
    entry = await bridge.ask(tree.entry_for, account_id, name)
    if isinstance(entry, Result):
        return entry
    if isinstance(request.assertion, Undefined):
        return Result(ResultCode.UNDEFINED_ATTRIBUTE_TYPE)
    if not entry.values.get(request.assertion.attribute, ()):
        return Result(ResultCode.NO_SUCH_ATTRIBUTE)
    is_true = filters.matches(request.assertion, entry.values)
    return Result(ResultCode.COMPARE_TRUE if is_true else ResultCode.COMPARE_FALSE)


async def extended(session: Session, message: Message) -> None:
    """§4.12."""
    request = message.operation
    assert isinstance(request, Extended)
    if not _may(message):
        session.finish(message, controls.UNKNOWN_CRITICAL)
    elif request.oid == START_TLS:
        await _start_tls(session, message)
    elif request.oid == WHO_AM_I:  # RFC 4532 §2.2: nobody is the empty name
        name = f"dn:{session.name}" if session.name else ""
        session.finish(message, results.SUCCESS, value=name)
    elif request.oid == CHANGE_PASSWORD:
        session.finish(message, results.READ_ONLY)
    else:
        session.finish(message, Result(ResultCode.PROTOCOL_ERROR, "Not known here."))


async def _start_tls(session: Session, message: Message) -> None:
    """§4.14. Nothing that the client sent in clear text counts any more."""
    if session.visit.is_encrypted:
        answer = Result(ResultCode.OPERATIONS_ERROR, "TLS is on already.")
        session.finish(message, answer, oid=START_TLS)
        return
    if not session.door.certificates.is_available or session.transport is None:
        answer = Result(ResultCode.UNAVAILABLE, "There is no TLS now.")
        session.finish(message, answer, oid=START_TLS)
        return
    transport = session.transport
    # No byte may be read as plain text from here on: neither one that came with the request
    # nor one that comes before the handshake has begun.
    transport.pause_reading()
    session.wire.await_tls()
    session.forget_waiting()
    session.log_out()
    session.finish(message, results.SUCCESS, oid=START_TLS)
    session.flush()
    try:
        session.transport = await start_tls(transport, session, session.door.certificates)
    except OSError:
        transport.abort()
        raise ConnectionResetError from None
    session.visit.is_encrypted = True
    session.wire.tls_started()


def _may(message: Message) -> bool:
    return not controls.unknown_critical(message.controls)


CARRIERS: dict[type[Operation], Carrier] = {
    Bind: bind,
    Search: searching.search,
    Compare: compare,
    Extended: extended,
}
