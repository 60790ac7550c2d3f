"""Tries a gateway out: a real session with log-in, and what was said in it (G-001)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from django.conf import settings as conf

from accounts.secrets import Undecipherable
from operations.nameservers import name_servers
from spool import gatewaychoice, planning
from spool.agents.connection import SessionLost
from spool.agents.dialogue import Dialogue
from spool.agents.remote import RemoteSession, RemoteSettings
from spool.models import Gateway
from spool.mx import NoHost
from spool.resolver import Resolver

LONGEST_SECONDS = 60.0

TOO_SLOW = "The gateway did not answer in time"
WRONG_KEY = "The password was encrypted with another server key: set it anew"


@dataclass(frozen=True, slots=True)
class GatewayTest:
    """`dialogue`: `>` ours, `<` theirs, `=` what happened; what logs in is masked."""

    is_ok: bool
    reply: str  # the last words, for a line on the page
    tls: str  # version and cipher; empty: not encrypted
    dialogue: tuple[str, ...]


def test_gateway(gateway: Gateway, *, remote: RemoteSettings | None = None) -> GatewayTest:
    """Connect, encrypt, log in, NOOP, QUIT: no mail is sent. Enabled or not makes no difference.

    Not to be called where an event loop runs. `remote` None: as the settings say.
    """
    settings = remote or RemoteSettings(
        helo=conf.MAILHOST_HOSTNAME, resolver=Resolver(name_servers() or conf.MAILHOST_DNS_SERVERS)
    )
    policy = gatewaychoice.policy_of(gateway)
    dialogue = Dialogue()
    route = planning.gateway_route(policy)
    try:
        login = planning.sasl_for(route, [policy])
    except Undecipherable:
        return GatewayTest(False, WRONG_KEY, "", ())
    session = RemoteSession(route, settings, lambda: login, dialogue)
    is_ok, reply, tls = asyncio.run(_try(session, settings))
    return GatewayTest(is_ok, reply, tls, tuple(dialogue.lines))


# Its name is what it does; it is no test of this program.
test_gateway.__test__ = False  # type: ignore[attr-defined]


async def _try(session: RemoteSession, settings: RemoteSettings) -> tuple[bool, str, str]:
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            connection = await session.connect()
            reply = await connection.ask(b"NOOP")
            tls = connection.tls
            await session.close()
    except (SessionLost, NoHost) as error:
        return False, f"{error.reply.code} {error.reply.enhanced} {error.reply.text}".strip(), ""
    except TimeoutError:
        return False, TOO_SLOW, ""
    finally:
        session.abort()
        await settings.resolver.close()
    return reply.code // 100 == 2, f"{reply.code} {reply.enhanced} {reply.text}".strip(), tls
