"""AUTH: who is it? RFC 4954."""

from __future__ import annotations

from listeners import login
from listeners.login import LoginRefused, TooManySessions
from listeners.smtp.session import Session, command
from protocols import sasl
from protocols.smtp import replies
from protocols.smtp.commands import Auth
from protocols.smtp.replies import Reply

MAXIMUM_FAILURES = 3


@command(Auth)
async def auth(session: Session, auth: Auth) -> Reply:
    """Run the mechanism; afterwards the session is the user's."""
    if session.account_id is not None:
        return replies.ALREADY_AUTHENTICATED
    exchange = sasl.begin(auth.mechanism, hostname=session.door.hostname)
    if exchange is None:
        return replies.UNKNOWN_MECHANISM
    is_clear = auth.mechanism in sasl.CLEAR_TEXT
    if is_clear and not await login.may_show_password(session.visit):
        return replies.ENCRYPTION_REQUIRED

    async def converse(challenge: bytes) -> bytes:
        encoded = sasl.encode_challenge(challenge).decode("ascii")
        await session.connection.send(replies.challenge(encoded))
        return sasl.decode_response(await session.connection.read_line())

    try:
        initial = None if auth.initial is None else sasl.decode_response(auth.initial)
        account = await login.by_mechanism(session.visit, exchange, initial, converse)
    except sasl.Cancelled:
        return replies.AUTH_CANCELLED
    except sasl.Malformed:
        return replies.AUTH_MALFORMED
    except LoginRefused:
        return _count_failure(session)
    except TooManySessions:
        return replies.TOO_MANY_LOGINS
    session.account_id = account.account_id
    return replies.AUTHENTICATED


def _count_failure(session: Session) -> Reply:
    session.failed_logins += 1
    if session.failed_logins < MAXIMUM_FAILURES:
        return replies.WRONG_CREDENTIALS
    session.is_over = True
    return replies.TOO_MANY_FAILED_LOGINS
