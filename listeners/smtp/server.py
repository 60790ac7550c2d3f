"""Binds SMTP sessions to ports."""

from __future__ import annotations

from django.conf import settings as conf

from listeners.base import Listener, Visit
from listeners.context import Context
from listeners.gate import Gate, Refusal, asks
from listeners.smtp.connection import SmtpConnection
from listeners.smtp.session import Door
from protocols.smtp import replies

_REFUSALS = {
    Refusal.BLOCKED: replies.BLOCKED,
    Refusal.BLACKLISTED: replies.BLOCKED,
    Refusal.TOO_MANY: replies.TOO_MANY_SESSIONS,
    Refusal.TOO_MANY_FROM_ADDRESS: replies.TOO_MANY_SESSIONS,
}


def make_listener(context: Context) -> Listener:
    """The listener of one process, for server ports and submission ports alike."""
    door = Door(conf.MAILHOST_HOSTNAME, context.certificates, context.guard, context.resolver)

    def make_session(visit: Visit) -> SmtpConnection:
        return SmtpConnection(visit, door)

    return Listener(
        "smtp",
        make_session=make_session,
        refuse=lambda refusal: _REFUSALS[refusal].encode(),
        gate=Gate(door.limits, asks(context.guard, "smtp")),
        certificates=context.certificates,
        shares_ports=context.shares_ports,
    )
