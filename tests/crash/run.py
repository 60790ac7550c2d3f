"""`python -m tests.crash.run --kills 200`: the long form of the crash test."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests import databases
from tests.crash.inspection import Broken
from tests.crash.killing import kill_and_judge, provision
from tests.running import RunningServer

KILLS_IN_A_ROUND = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.run", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database-url", help="PostgreSQL instead of SQLite")
    arguments = parser.parse_args()
    rounds = max(1, arguments.kills // KILLS_IN_A_ROUND)
    print(f"seed {arguments.seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="mailhost-crash-") as directory,
        databases.fresh(arguments.database_url) as url,
    ):
        server = RunningServer(Path(directory) / "data", database_url=url)
        server.start()
        try:
            provision(server, rounds, Path(directory) / "crash.yaml")
            report = kill_and_judge(
                server, kills=arguments.kills, rounds=rounds, seed=arguments.seed
            )
        except Broken as broken:
            print(f"BROKEN: {broken}\n{server.log[-5000:]}", file=sys.stderr)
            return 1
        finally:
            server.stop()
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
