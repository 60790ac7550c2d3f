"""What sessions of either protocol have in common: one step at a time, and a clean end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from protocols.sasl_client import ClientExchange, ServerNotTrusted
from protocols.saslprep import Prohibited
from retrieval.remote.errors import LoginRefused, RemoteFailed, Stage
from retrieval.remote.server import Limits, Remote
from retrieval.remote.wire import Ended, Silent, Wire


class Refusal(Exception):
    """The server said no to one command, and the conversation can go on. Never leaves a session."""

    def __init__(self, words: str, code: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.code = code  # of the response, in capitals; empty for none


class Session:
    """A connection on which one question is asked after the other."""

    def __init__(self, remote: Remote, limits: Limits, wire: Wire) -> None:
        self._remote = remote
        self._limits = limits
        self._wire = wire
        self._stage = Stage.CONNECT
        self._is_usable = True
        self._goodbye = ""  # what the server said before it closed the connection by itself

    @contextmanager
    def _step(self, stage: Stage) -> Iterator[None]:
        """One question with its whole answer.

        Whatever ends it early, a cancellation too, leaves an answer on its way that nobody would
        take for what it is: the connection is closed then. Refusal alone is a whole answer.
        Raises RemoteFailed if an earlier step ended so.
        """
        if not self._is_usable:
            raise RemoteFailed("The connection to the server was closed before.", stage)
        self._is_usable = False
        self._stage = stage
        try:
            yield
        except Refusal:
            self._is_usable = True
            raise
        except Silent:
            self._wire.abort()
            raise RemoteFailed("The server did not answer in time.", stage) from None
        except Ended:
            self._wire.abort()
            words = f": {self._goodbye}" if self._goodbye else "."
            text = f"The server closed the connection{words}"
            raise RemoteFailed(text, stage) from None
        except BaseException:
            self._wire.abort()
            raise
        self._is_usable = True

    def too_much(self) -> RemoteFailed:
        """An answer goes on and on: the connection is closed."""
        self.close()
        return RemoteFailed("The server sent a longer answer than is read.", self._stage)

    def close(self) -> None:
        """Let go of the connection without a word."""
        self._is_usable = False
        self._wire.abort()


def require_sendable(remote: Remote) -> None:
    """Raises LoginRefused for a name or password that would end the line it stands on."""
    for text in (remote.username, remote.password):
        is_text = not any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in text)
        if not text or not is_text:
            raise LoginRefused("Name and password need characters that can be sent, and no others.")


async def respond(exchange: ClientExchange, challenge: bytes) -> bytes:
    """The response to a step of a login. Raises RemoteFailed."""
    try:
        return await asyncio.to_thread(exchange.step, challenge)  # SCRAM computes for a while
    except ServerNotTrusted:
        raise _not_trusted() from None
    except Prohibited:
        raise LoginRefused("The password has characters that no server takes.") from None


def require_proof(exchange: ClientExchange) -> None:
    """Raises RemoteFailed where the server lets us in without having shown who it is."""
    if not exchange.may_end:
        raise _not_trusted()


def _not_trusted() -> RemoteFailed:
    return RemoteFailed("The server could not show that it knows the password.", Stage.LOGIN)
