"""TLS to other servers: what a session must have, and contexts that take sessions up again."""

from __future__ import annotations

import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from protocols.smtp.client import Tls
from spool.agents.route import RemoteRoute
from spool.mx import Host

# Servers keep tickets for hours. One that is no longer taken costs nothing but a whole handshake,
# so they are forgotten by number only.
MOST_SESSIONS = 5_000


class TlsProblem(StrEnum):
    """Why a session had not the encryption it should have, in the words of RFC 8460 §4.3."""

    STARTTLS_MISSING = "starttls-not-supported"
    WRONG_NAME = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    NOT_TRUSTED = "certificate-not-trusted"
    OTHER = "validation-failure"
    DNSSEC_INVALID = "dnssec-invalid"
    STS_FETCH = "sts-policy-fetch-error"


# X509_V_ERR_* of OpenSSL.
_EXPIRED, _WRONG_NAMES = 10, (62, 63, 64)

# Called with None where all was well. It must be quick.
Tell = Callable[["TlsProblem | None"], None]
# The server's certificates in DER, its own first, to why they will not do; empty: they do.
JudgeChain = Callable[[Sequence[bytes]], str]


@dataclass(frozen=True, slots=True)
class TlsDemand:
    """What a session with one host must have (S-055)."""

    tls: Tls
    verify_certificate: bool
    policy: str = ""  # whose demand it is, for people; empty: nobody's
    refused: str = ""  # why no session with the host is to be begun at all
    judge_chain: JudgeChain | None = None
    # What is tried next where this could not be had; None: nothing, the mail waits.
    softer: TlsDemand | None = None
    tell: Tell | None = field(default=None, compare=False)


NOT_ENCRYPTED = TlsDemand(Tls.NEVER, verify_certificate=False)
# S-055: where encryption is a bonus, a server that cannot do it still gets its mail.
OPPORTUNISTIC = TlsDemand(Tls.IF_OFFERED, verify_certificate=False, softer=NOT_ENCRYPTED)

# Asked before each connection, so that policies of destinations can be looked up.
AskDemand = Callable[[RemoteRoute, Host], Awaitable[TlsDemand]]


async def demand_of_route(route: RemoteRoute, _host: Host) -> TlsDemand:
    """What the route itself says: a gateway's settings, else TLS when offered."""
    softer = NOT_ENCRYPTED if route.tls is Tls.IF_OFFERED else None
    return TlsDemand(route.tls, route.verify_certificate, softer=softer)


def problem_of(error: BaseException) -> TlsProblem:
    """What a handshake failed of."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return TlsProblem.OTHER
    if error.verify_code == _EXPIRED:
        return TlsProblem.EXPIRED
    return TlsProblem.WRONG_NAME if error.verify_code in _WRONG_NAMES else TlsProblem.NOT_TRUSTED


def chain_of(details: Any) -> list[bytes]:
    """What the server showed, in DER; nothing of it is verified."""
    # The public method of this name came with Python 3.13.
    shown = getattr(details, "_sslobj", details).get_unverified_chain() or ()
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in shown]


class ResumingContext(ssl.SSLContext):
    """Begins with the last session that a server of the same name gave out (RFC 8446 §2.2).

    The certificate was verified in the handshake that made the session, for the same name and by
    this same context: another context never sees it.
    """

    _sessions: OrderedDict[str, ssl.SSLSession]

    def __new__(cls, *args: Any, **kwargs: Any) -> ResumingContext:
        context = super().__new__(cls, *args, **kwargs)
        context._sessions = OrderedDict()
        return context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """As the event loops call it; they know nothing of sessions."""
        name = kwargs.get("server_hostname")
        if isinstance(name, str) and not kwargs.get("server_side"):
            kwargs["session"] = self._sessions.get(name)
        return super().wrap_bio(*args, **kwargs)

    def remember(self, name: str, session: ssl.SSLSession | None) -> None:
        """`session` of a connection that began with `server_hostname=name`."""
        if session is None or not session.has_ticket:
            return
        self._sessions[name] = session
        self._sessions.move_to_end(name)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)


class ForgettingContext(ResumingContext):
    """Makes a whole handshake each time: who judges certificates wants to see them."""

    def remember(self, name: str, session: ssl.SSLSession | None) -> None:
        """Keep nothing."""


_contexts: dict[tuple[bool, str | None, bool], ResumingContext] = {}


def client_context(
    *, verify: bool, authorities: str | None, resumes: bool = True
) -> ResumingContext:
    """One for all connections, as making it takes time; `authorities` None: the system's."""
    key = (verify, authorities, resumes)
    context = _contexts.get(key)
    if context is None:
        kind = ResumingContext if resumes else ForgettingContext
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif authorities is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(authorities)
        _contexts[key] = context
    return context
