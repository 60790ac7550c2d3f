"""`python -m tests.day.run --passers 10 --kills 5`: the long form of the scripted day."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests import databases
from tests.day.judging import judge
from tests.day.neighbours import Neighbours
from tests.day.operator import OperatedServer
from tests.day.script import Day, Length


def live(
    directory: Path, length: Length, *, database_url: str | None = None, processes: int = 1
) -> Counter[str]:
    """From the first start to the last stop; how often each end was told of a recipient."""
    with Neighbours() as neighbours:
        server = OperatedServer(
            directory / "data",
            database_url=database_url,
            mail_processes=processes,
            dns_servers=neighbours.dns.address,
            outgoing_port=neighbours.port,
            drain_seconds=2,
        )
        server.start()
        try:
            day = Day(server, neighbours, length)
            day.run()
            return judge(day)
        except BaseException:
            print(server.log[-5000:], file=sys.stderr)
            raise
        finally:
            server.dismiss()
            server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.day.run", description=__doc__)
    parser.add_argument("--passers", type=int, default=8, help="senders at the same time")
    parser.add_argument("--flood", type=int, default=500, help="messages of the loud customer")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5, help="letters to each odd neighbour")
    parser.add_argument("--database-url", help="PostgreSQL instead of SQLite")
    parser.add_argument("--processes", type=int, default=1, help="mail processes")
    given = parser.parse_args()
    length = Length(given.passers, given.flood, given.kills, given.rounds)
    with (
        tempfile.TemporaryDirectory(prefix="mailhost-day-") as directory,
        databases.fresh(given.database_url) as url,
    ):
        ends = live(Path(directory), length, database_url=url, processes=given.processes)
    for words, number in ends.most_common():
        print(f"{number:,} recipients: {words.rstrip('.')}")
    print("The ledger is even, and every message is explained.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
