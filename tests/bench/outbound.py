"""`python -m tests.bench.outbound`: 1,000 destinations, with and without 100 that hang, in turn.

With `--choice`: what it costs to choose who is served next, however many destinations there are.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import time
from collections.abc import AsyncIterator
from itertools import count

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailhost.settings")
django.setup()

from spool.agents.remote import RemoteSettings  # noqa: E402 - Django first
from spool.agents.route import RemoteRoute  # noqa: E402
from spool.outbound import Outbound  # noqa: E402
from spool.resolver import Resolver  # noqa: E402
from spool.work import ClaimedMessage, ClaimedRecipient, Result, Work  # noqa: E402
from tests.sinks import HANG, Sink  # noqa: E402

BODY = b"Subject: hello\r\n\r\n" + b"x" * 2000 + b"\r\n"
_ids = count(1)


def work_for(destination: str, domain_id: int) -> Work:
    number = next(_ids)
    message = ClaimedMessage(
        number, "a@one.example", "relay", "standard", domain_id, len(BODY), "7BIT", False,
        "", "", None, 0, 0, 1, None,
    )  # fmt: skip
    address = f"r{number}@{destination}"
    recipient = ClaimedRecipient(
        number, message, address, address, "", "", "remote", None, domain_id, destination, 5,
        False, 1, 0,
    )  # fmt: skip
    return Work([recipient], BODY)


async def nothing(_work: Work) -> AsyncIterator[bytes]:
    yield b""


async def run(destinations: int, hanging: int, messages: int) -> tuple[float, float, int]:
    """Seconds of wall and CPU (the sink's included) until all others are delivered."""
    delivered = 0
    wanted = (destinations - hanging) * messages
    done = asyncio.Event()
    good_ones: set[str] = set()

    def report(results: list[Result]) -> None:
        nonlocal delivered
        delivered += len(results)
        if delivered >= wanted:
            done.set()

    def give_back(works: list[Work]) -> None:
        """What belongs to a good one that a slow moment made look hung comes again."""
        again = [work for work in works if work.recipients[0].destination in good_ones]
        if again:
            asyncio.get_running_loop().call_later(0.1, add, again)

    def add(works: list[Work]) -> None:
        for work in works:
            outbound.add(RemoteRoute(work.recipients[0].destination, port=good.port), work)
        outbound.dispatch()

    good, hung = Sink(host="0.0.0.0"), Sink(host="0.0.0.0", greeting=HANG)  # noqa: S104
    async with good, hung:
        resolver = Resolver()
        outbound = Outbound(
            RemoteSettings(helo="bench.test", resolver=resolver),
            report=report,
            read_body=nothing,
            choose_sasl=lambda _route: None,
            give_back=give_back,
        )
        started, cpu = time.perf_counter(), _cpu()
        for _ in range(messages):
            for number in range(destinations):
                name = f"[127.1.{number // 250}.{number % 250 + 1}]"
                # The hanging ones are spread among the others, and come first where they can.
                is_hung = number % (destinations // hanging) == 0 if hanging else False
                port = hung.port if is_hung else good.port
                if not is_hung:
                    good_ones.add(name)
                outbound.add(RemoteRoute(name, port=port), work_for(name, number % 50))
            outbound.dispatch()
        await done.wait()
        seconds, used = time.perf_counter() - started, _cpu() - cpu
        await outbound.drain(0.1)
        await resolver.close()
    return seconds, used, wanted


async def choice(destinations: int, starts: int = 2_000) -> float:
    """Seconds of CPU for one start: the choice, the end, and another message of the same."""
    outbound = Outbound(
        RemoteSettings(helo="bench.test", resolver=None),  # type: ignore[arg-type]  # none is asked
        report=lambda _results: None,
        read_body=nothing,
        choose_sasl=lambda _route: None,
        give_back=lambda _works: None,
    )
    for number in range(destinations):
        name = f"d{number}.example"
        outbound.add(RemoteRoute(name), work_for(name, number % 50))
    works = [work_for("d.example", number % 50) for number in range(starts)]
    before = _cpu()
    for work in works:
        chosen = outbound._next()
        assert chosen is not None
        destination, _ = chosen
        destination.busy += 1
        outbound._list(destination)
        destination.busy -= 1
        outbound._put(destination, work)
    return (_cpu() - before) / starts


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--destinations", type=int, default=1000)
    parser.add_argument("--hanging", type=int, default=100)
    parser.add_argument("--messages", type=int, default=5, help="for each destination")
    parser.add_argument("--rounds", type=int, default=1, help="of both, one after the other")
    parser.add_argument("--choice", action="store_true", help="nothing is sent: only chosen")
    given = parser.parse_args()
    if given.choice:
        for number in (10, 100, 1_000, 10_000):
            each = asyncio.run(choice(number)) * 1e6
            print(f"{number:6,} destinations: {each:6.1f} us for each start")
        return
    rates: dict[int, list[float]] = {0: [], given.hanging: []}
    for _ in range(given.rounds):
        for hanging, found in rates.items():
            seconds, cpu, number = asyncio.run(run(given.destinations, hanging, given.messages))
            found.append(number / seconds)
            print(
                f"{hanging} of {given.destinations} hang: {number} delivered in {seconds:.1f} s,"
                f" {number / seconds:,.0f}/s, {cpu / number * 1e6:.0f} us CPU each (sink included)"
            )
    with_none, with_some = (statistics.median(found) for found in rates.values())
    print(f"With {given.hanging} that hang {with_some / with_none:.0%} of the rate, by medians.")


if __name__ == "__main__":
    main()
