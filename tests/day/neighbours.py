"""Everybody else's servers on a day: some take mail, some refuse, lie, babble, hang or are away."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.dns_server import DnsServer
from tests.sinks import CLOSE, HANG, Sink, Taken

T = TypeVar("T")

KIND, DARK, GATED = "kind.test", "dark.test", "gated.test"
GONE, MUTE = "gone.test", "mute.test"  # not in DNS; in it, but without mail (RFC 7505)
GREY = b"450 4.2.0 come back later"
FULL = b"452 4.3.1 no room for it now"
NO_USER = b"550 5.1.1 no such user"
UNWANTED = b"554 5.7.1 nobody here wants that"
# What they answer until somebody mends them.
BROKEN: dict[str, dict[str, bytes]] = {
    "grey.test": {"RCPT": GREY},
    "full.test": {".": FULL},
    "hasty.test": {".": CLOSE},
    "liar.test": {"DATA": b"250 2.0.0 taken, be sure of it"},
    "mad.test": {"MAIL": b"and now for something completely different"},
    "shut.test": {"MAIL": b"421 4.3.2 closing, sorry"},
}
BABBLING = "babble.test"
# What they will always answer.
STRICT: dict[str, dict[str, bytes]] = {
    "picky.test": {"RCPT TO:<bad@": NO_USER},
    "never.test": {".": UNWANTED},
}
_BABBLE = b"who is there?"
_MESSAGE_ID = re.compile(rb"^Message-ID: <(\S+)>", re.MULTILINE | re.IGNORECASE)


class _Everything(set[str]):
    def __contains__(self, name: object) -> bool:
        return True


class Neighbours:
    """A server for each domain, on loopback addresses of their own, all on one port."""

    def __init__(self) -> None:
        answers = BROKEN | STRICT
        names = [KIND, DARK, GATED, BABBLING, *BROKEN, *STRICT]
        self.sinks = {
            name: Sink(host=f"127.9.0.{number}", answers=dict(answers.get(name, {})))
            for number, name in enumerate(names, 1)
        }
        self.sinks[BABBLING].greeting = _BABBLE
        self.sinks[GATED].greeting = HANG
        self.dns = DnsServer({(MUTE, "MX"): ["0 ."]})
        for name, sink in self.sinks.items():
            self.dns.records[name, "MX"] = [f"10 mx.{name}."]
            self.dns.records[f"mx.{name}", "A"] = [sink.host]
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Neighbours:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._open)
        return self

    def __exit__(self, *_details: object) -> None:
        self._do(self._shut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def port(self) -> int:
        return self.sinks[KIND].port

    def lose_dns(self) -> None:
        self.dns.failing = _Everything()

    def find_dns_again(self) -> None:
        self.dns.failing = set()

    def mend(self) -> None:
        """Whoever was broken works, and whoever hung has been started again."""
        for name in BROKEN:
            self.sinks[name].answers.clear()
        for name in (BABBLING, GATED):
            self.sinks[name].greeting = Sink.greeting
        self._do(self._restart_hung)

    def copies(self) -> Counter[tuple[str, str]]:
        """How often each copy was taken: Message-ID and recipient."""
        found: Counter[tuple[str, str]] = Counter()
        for sink in self.sinks.values():
            for taken in list(sink.taken):
                message_id = _message_id(taken)
                for rcpt in taken.rcpts:
                    found[message_id, rcpt.partition("<")[2].partition(">")[0]] += 1
        return found

    def taken_by(self, name: str) -> list[str]:
        """The Message-IDs of what it took, in that order."""
        return [_message_id(taken) for taken in list(self.sinks[name].taken)]

    def has_met_all(self) -> bool:
        """Every broken one has shown what is wrong with it."""
        met = [self.sinks[name].commands for name in BROKEN]
        return all(met) and all(self.sinks[name].sessions for name in (BABBLING, GATED))

    def _do(self, act: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            return await act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(20)

    async def _open(self) -> None:
        await self.dns.__aenter__()
        port = 0
        for sink in self.sinks.values():
            sink.port = port
            await sink.open()
            port = sink.port

    async def _shut(self) -> None:
        for sink in self.sinks.values():
            await sink.shut()
        await self.dns.__aexit__()

    async def _restart_hung(self) -> None:
        await self.sinks[GATED].shut()
        await self.sinks[GATED].open()


def _message_id(taken: Taken) -> str:
    found = _MESSAGE_ID.search(taken.body)
    assert found is not None
    return found[1].decode()
