"""Asks a relayed domain's own server whether it takes a recipient, and remembers it (G-016)."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from enum import Enum

from django.conf import settings as conf

from protocols.address import Address
from protocols.smtp.replies import Reply
from spool import planning
from spool.agents.connection import SessionLost, SmtpConnection
from spool.agents.remote import RemoteSession, RemoteSettings
from spool.mx import NoHost
from spool.ourselves import recognise_ourselves
from spool.relaydomains import RelayPolicy
from spool.resolver import Resolver

ACCEPTED_SECONDS = 4 * 3600.0
REFUSED_SECONDS = 300.0  # somebody may just be opening the mailbox
MOST_REMEMBERED = 50_000
LONGEST_SECONDS = 30.0  # the client waits meanwhile; RFC 5321 §4.5.3.2.3 has it wait five minutes
MOST_AT_ONCE = 20  # sessions, so that a dictionary attack is not passed on


class Answer(Enum):
    TAKEN = "taken"
    UNKNOWN = "unknown"  # that server refuses the recipient for good
    UNCERTAIN = "uncertain"  # it could not be asked, or did not want to say


class Callouts:
    """One for a process; asks each recipient once at a time."""

    def __init__(self, remote: RemoteSettings) -> None:
        self.remote = remote
        self._known: OrderedDict[str, tuple[float, Answer]] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Answer]] = {}
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def ask(self, relayed: RelayPolicy, recipient: Address) -> Answer:
        key = recipient.encode()
        known = self._known.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._find_out(relayed, key))
            task.add_done_callback(lambda _task: self._under_way.pop(key, None))
        # One client's leaving must not take the answer from the others.
        return await asyncio.shield(task)

    async def _find_out(self, relayed: RelayPolicy, address: str) -> Answer:
        session = RemoteSession(planning.relay_route(relayed), self.remote)
        answer = Answer.UNCERTAIN
        try:
            async with asyncio.timeout(LONGEST_SECONDS), self._slots:
                answer = _read(await _ask_for(await session.connect(), address))
                await session.close()
        except (SessionLost, NoHost, TimeoutError):
            pass
        finally:
            session.abort()
        if answer is not Answer.UNCERTAIN:
            self._remember(address, answer)
        return answer

    def _remember(self, address: str, answer: Answer) -> None:
        seconds = ACCEPTED_SECONDS if answer is Answer.TAKEN else REFUSED_SECONDS
        self._known.pop(address, None)
        self._known[address] = time.monotonic() + seconds, answer
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)


async def _ask_for(connection: SmtpConnection, address: str) -> Reply | None:
    """The reply to RCPT; None if it did not come so far. The null sender: nobody verifies that."""
    is_ascii = address.isascii()
    if not is_ascii and "SMTPUTF8" not in connection.client.extensions:
        return None
    reply = await connection.ask(b"MAIL FROM:<>" + (b"" if is_ascii else b" SMTPUTF8"))
    if reply.code // 100 != 2:
        return None
    return await connection.ask(f"RCPT TO:<{address}>".encode())


def _read(reply: Reply | None) -> Answer:
    if reply is None or reply.code // 100 not in (2, 5):
        return Answer.UNCERTAIN
    return Answer.TAKEN if reply.code // 100 == 2 else Answer.UNKNOWN


_process: Callouts | None = None


def process_callouts(resolver: Resolver | None) -> Callouts:
    """This process's, made when it is first needed; `resolver` None: one of its own."""
    global _process
    if _process is None:
        _process = Callouts(
            RemoteSettings(
                helo=conf.MAILHOST_HOSTNAME,
                resolver=resolver or Resolver(conf.MAILHOST_DNS_SERVERS),
                ourselves=recognise_ourselves(),
            )
        )
    return _process
