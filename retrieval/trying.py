"""Tries an account out: a real session with log-in, in which nothing is fetched (N-060)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from django.core.cache import cache

from accounts.models import User
from accounts.secrets import Undecipherable
from retrieval import running, selectors
from retrieval.errors import TriedTooOften
from retrieval.models import Kind, RetrievalAccount
from retrieval.remote.connecting import Network
from retrieval.remote.errors import RemoteFailed
from retrieval.remote.imap import INBOX, ImapSession
from retrieval.remote.pop3 import Pop3Session
from retrieval.remote.server import Limits, Remote
from retrieval.settings import RETRIEVAL, networks

# Somebody waits before a page.
LIMITS = Limits(connect_seconds=15.0, reply_seconds=20.0, session_seconds=45.0)
# By one person, counted by each process of the web: enough to find a slip of the pen, too few to
# look for open ports or to guess passwords elsewhere from here.
MOST_TRIES = 10
MINUTES = 10


@dataclass(frozen=True, slots=True)
class LoginTest:
    """`text` says what was found, in words for the user."""

    is_ok: bool
    text: str


def try_out(*, account: RetrievalAccount, by: User | None) -> LoginTest:
    """Connect, encrypt, log in and look; enabled or not makes no difference. Raises NotPermitted,
    TriedTooOften.

    Not inside a transaction, nor where an event loop runs.
    """
    if by is not None:
        selectors.require_leave(by, account.user)
        _count(by)
    try:
        remote = running.remote_of(account)
    except Undecipherable:
        return LoginTest(False, running.WRONG_KEY)
    allowed = networks(RETRIEVAL.read())
    try:
        return LoginTest(True, asyncio.run(_look(Kind(account.kind), remote, allowed)))
    except RemoteFailed as error:
        return LoginTest(False, error.text)


def _count(by: User) -> None:
    """Raises TriedTooOften."""
    key = f"retrieval-tries:{by.pk}"
    cache.add(key, 0, timeout=MINUTES * 60)
    with suppress(ValueError):  # its time was over just now
        if cache.incr(key) > MOST_TRIES:
            raise TriedTooOften(MOST_TRIES, MINUTES)


async def _look(kind: Kind, remote: Remote, allowed: tuple[Network, ...]) -> str:
    if kind == Kind.POP3:
        async with Pop3Session.open(remote, LIMITS, allowed) as pop:
            count = len(await pop.listing())
            await pop.quit()
    else:
        async with ImapSession.open(remote, LIMITS, allowed) as imap:
            count = (await imap.select(INBOX, read_only=True)).exists
            await imap.logout()
    what = "1 message" if count == 1 else f"{count:,} messages"
    return f"The log-in works. There are {what} in the Inbox of the other server."
