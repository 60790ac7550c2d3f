"""Rows of figures as a table: on the terminal, and as docs/performance.md."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime

from tests.bench.measure import Row

DOCUMENT = """# Performance

Measured {date} by `python -m tests.bench.run{how}` on {machine}.
{runs} on loopback, load generator on the same cores; every delivery
verified (IMAP STATUS, the sink's count). CPU is user + system of all processes of the server, ended
children included, until it is quiet again. Rates swing with what else the machine does, CPU much
less: compare within one run.
{peers}
{table}
"""

PEERS = """
The peers are {versions} on the same disk: Postfix with its safe defaults (its queue synced) and
no log, delivery by LMTP, Dovecot with `mail_fsync=optimized` and its default process model.
"""


def line(row: Row, systems: list[str]) -> str:
    return f"{row.name:44}" + "".join(f"{_cell(row, name):>30}" for name in systems)


def plain(rows: list[Row], systems: list[str]) -> str:
    head = f"{'':44}" + "".join(f"{name:>30}" for name in systems)
    ratio = f"{'CPU':>8}{'rate':>8}  goal" if len(systems) == 2 else "  goal"
    lines = [head + ratio]
    for row in rows:
        cpu, rate = _ratios(row, systems)
        ratios = f"{cpu:>8}{rate:>8}" if len(systems) == 2 else ""
        lines.append(f"{line(row, systems)}{ratios}  {row.goal}")
    return "\n".join(lines)


def document(rows: list[Row], systems: list[str], versions: str, rounds: int) -> str:
    ratio = ["CPU ratio", "rate ratio"] if len(systems) == 2 else []
    heads = ["work", *systems, *ratio, "goal"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row.name, *(_cell(row, name) for name in systems)]
        cells += [*_ratios(row, systems)] if ratio else []
        lines.append("| " + " | ".join([*cells, row.goal]) + " |")
    return DOCUMENT.format(
        date=datetime.now(UTC).date().isoformat(),
        how=" --peers" if versions else "",
        machine=f"{os.cpu_count()} cores, Linux {'.'.join(platform.release().split('.')[:2])}, "
        f"Python {platform.python_version()}",
        runs="One interleaved run" if rounds == 1 else f"Medians of {rounds} interleaved runs",
        peers=PEERS.format(versions=versions) if versions else "",
        table="\n".join(lines),
    )


def _cell(row: Row, system: str) -> str:
    if row.is_quantity:
        quantity = row.quantity(system)
        return "-" if quantity is None else f"{quantity:,.1f} {row.unit}"
    cpu, rate = row.cpu_us(system), row.rate(system)
    if cpu is None or rate is None:
        return "-"
    shown = f"{cpu / 1000:,.2f} ms" if cpu >= 1000 else f"{cpu:,.0f} us"
    return f"{shown}, {rate:,.0f}/s"


def _ratios(row: Row, systems: list[str]) -> tuple[str, str]:
    """How many times less CPU, and how many times the rate, the first system has."""
    if len(systems) != 2:
        return "", ""
    ours, theirs = systems
    if row.is_quantity:
        return _ratio(row.quantity(theirs), row.quantity(ours)), ""
    cpu = _ratio(row.cpu_us(theirs), row.cpu_us(ours))
    return cpu, _ratio(row.rate(ours), row.rate(theirs))


def _ratio(above: float | None, below: float | None) -> str:
    return f"{above / below:.1f}x" if above and below else "-"
