"""TLS to other servers: what a session must have, and contexts that take sessions up again."""

from __future__ import annotations

import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from protocols.smtp.client import Tls
from spool.agents.route import RemoteRoute
from spool.mx import Host

# Servers keep tickets for hours. One that is no longer taken costs nothing but a whole handshake,
# so they are forgotten by number only.
MOST_SESSIONS = 5_000


@dataclass(frozen=True, slots=True)
class TlsDemand:
    """What a session with one host must have (S-055)."""

    tls: Tls
    verify_certificate: bool


# Asked before each connection, so that policies of destinations can be looked up.
AskDemand = Callable[[RemoteRoute, Host], Awaitable[TlsDemand]]


async def demand_of_route(route: RemoteRoute, _host: Host) -> TlsDemand:
    """What the route itself says: a gateway's settings, else TLS when offered."""
    return TlsDemand(route.tls, route.verify_certificate)


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


_contexts: dict[tuple[bool, str | None], ResumingContext] = {}


def client_context(*, verify: bool, authorities: str | None) -> ResumingContext:
    """One for all connections, as making it takes time; `authorities` None: the system's."""
    context = _contexts.get((verify, authorities))
    if context is None:
        context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif authorities is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(authorities)
        _contexts[verify, authorities] = context
    return context
