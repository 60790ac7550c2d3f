"""What an operator sees when the server is up: where it listens and what to try first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from listeners.readiness import Listening

log = structlog.get_logger(__name__)

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # shown, not bound
PANEL = "panel"
# The listeners' own names, as people write them.
TITLES = {
    "smtp": "SMTP", "submission": "Submission", "imap": "IMAP", "pop": "POP3", "ldap": "LDAP",
    PANEL: "Panel",
}  # fmt: skip
ORDER = list(TITLES)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the screen shows beside the ports. `recipient` None: there is no domain yet."""

    data: str
    hostname: str
    recipient: str | None
    worries: tuple[str, ...] = ()  # about certificates


def show(facts: Facts, listening: Sequence[Listening]) -> None:
    """A table for a person at a terminal, one log event for everybody else."""
    if sys.stdout.isatty():
        Console().print(screen(facts, listening))
    else:
        ports = {
            f"{one.service}{'_tls' if one.is_tls else ''}": _place(one.ip, one.port)
            for one in sorted(listening, key=_rank)
            if not one.problem
        }
        log.info("ready", **ports, data=facts.data)
        for one in sorted(listening, key=_rank):
            if one.problem:
                log.error(
                    "port cannot be opened, tried again until it can", service=one.service,
                    ip=one.ip, port=one.port, error=one.problem,
                )  # fmt: skip
        for worry in facts.worries:
            log.warning("certificate needs care", what=worry)


def screen(facts: Facts, listening: Sequence[Listening]) -> Panel:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Service", "Listens on", "TLS"):
        table.add_column(heading)
    for one in sorted(listening, key=_rank):
        service = TITLES.get(one.service, one.service)
        place, tls = _place(one.ip, one.port), "at once" if one.is_tls else ""
        if one.problem:
            place = f"{place} NOT OPEN: {one.problem}"
        table.add_row(service, Text(place), tls, style="bold red" if one.problem else "")
    lines = Text()
    for label, value in hints(facts, listening):
        lines.append(f"{label:<13}", "bold")
        lines.append(f"{value}\n")
    lines.rstrip()
    title = f"MailHost on {facts.hostname}"
    is_whole = not any(one.problem for one in listening)
    border = "green" if is_whole else "red"
    return Panel.fit(Group(table, Text(), lines), title=title, border_style=border)


def hints(facts: Facts, listening: Sequence[Listening]) -> list[tuple[str, str]]:
    """Label and text of each line below the table."""
    found = [("Data", facts.data)]
    panels = [
        f"{'https' if one.is_tls else 'http'}://{_place(_near(one.ip), one.port)}/"
        for one in listening
        if one.service == PANEL
    ]
    if panels:
        found.append(("Panel", "  ".join(panels)))
    if facts.recipient is None:
        example = "./manage apply examples/example.yaml --allow-weak-passwords"
        found.append(("First domain", example))
    closed = [str(one.port) for one in sorted(listening, key=_rank) if one.problem]
    if closed:
        found.append(("Not open", f"port {', '.join(closed)}: tried again until it can be opened"))
    smtp = next((one for one in listening if one.service == "smtp" and not one.problem), None)
    if smtp is not None:
        recipient = facts.recipient or "alice@example.com"
        place = _place(_near(smtp.ip), smtp.port)
        found.append(("First mail", f"swaks --server {place} --to {recipient}"))
    found += [("Certificate", worry) for worry in facts.worries]
    found.append(("Stop", "Ctrl-C"))
    return found


def _rank(one: Listening) -> tuple[int, int]:
    return ORDER.index(one.service) if one.service in ORDER else len(ORDER), one.port


def _near(ip: str) -> str:
    """An address at which this machine itself reaches what listens on `ip`."""
    return "localhost" if ip in WILDCARDS else ip


def _place(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
