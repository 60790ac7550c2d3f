"""`python -m tests.bench.run [--peers] [--only NAME] [--quick]`: measure, print, write down."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench import peers, table
from tests.bench.mailhost_server import MailHost
from tests.bench.measure import Row
from tests.bench.peers import Peers
from tests.bench.systems import System, Unverified, free_port
from tests.bench.work import WORKS, Work


def main() -> int:
    arguments = _arguments()
    works = [work for work in WORKS if _is_wanted(work, arguments.only)]
    if not works:
        print("Known: " + ", ".join(work.name for work in WORKS), file=sys.stderr)
        return 2
    failures: list[str] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailhost-bench-")))
        systems = []
        for system in _systems(arguments, directory):
            stack.callback(system.stop)
            system.start()
            systems.append(system)
        rows = _measure(works, systems, arguments, failures)
    names = [system.name for system in systems]
    print(table.plain(rows, names))
    for failure in failures:
        print(f"NOT VERIFIED  {failure}", file=sys.stderr)
    if arguments.write:
        versions = peers.versions() if Peers.name in names else ""
        arguments.write.write_text(table.document(rows, names, versions, arguments.rounds))
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="measure Postfix and Dovecot as well")
    parser.add_argument("--peers-only", action="store_true", help="measure nothing else")
    parser.add_argument("--store", choices=sorted(peers.STORES), default="maildir")
    parser.add_argument("--only", action="append", default=[], help="works with this in their name")
    parser.add_argument("--quick", action="store_true", help="a fifth of the work, one round")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is shown")
    parser.add_argument("--write", type=Path, help="write the table, e.g. docs/performance.md")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = 1
    return arguments


def _is_wanted(work: Work, only: list[str]) -> bool:
    return not only or any(part.lower() in work.name.lower() for part in only)


def _systems(arguments: argparse.Namespace, directory: Path) -> Iterator[System]:
    if not arguments.peers_only:
        yield MailHost(directory / "mailhost", free_port())
    if arguments.peers or arguments.peers_only:
        reason = peers.why_not()
        if reason:
            raise SystemExit(f"No peers: {reason}")
        (directory / "peers").mkdir()
        yield Peers(directory / "peers", free_port(), arguments.store)


def _measure(
    works: list[Work],
    systems: list[System],
    arguments: argparse.Namespace,
    failures: list[str],
) -> list[Row]:
    """Round by round and system by system in turn, so that a busy neighbour meets all alike."""
    rows = []
    scale = 0.2 if arguments.quick else 1.0
    for work in works:
        row = Row(work.name, work.goal, work.unit)
        rows.append(row)
        for _ in range(arguments.rounds):
            for system in systems:
                try:
                    row.add(system, work.run(system, scale))
                except Unverified as unverified:
                    failures.append(f"{work.name}, {system.name}: {unverified}")
        print(table.line(row, [system.name for system in systems]), flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
