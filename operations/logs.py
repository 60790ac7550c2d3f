"""The logs as administrators use them: settings, search, download, keeping (M-080…M-088)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

from django.conf import settings as conf
from django.db import transaction

from accounts import selectors
from accounts.models import Role, User
from domains.errors import Problem, ValuesRefused
from domains.models import HostedName
from domains.selectors import names_of
from domains.singlerow import SingleRow
from events import audit
from events.audit import Actor
from logbook import keeping, reading
from logbook.kinds import Kind, Level
from logbook.reading import Found, Query
from logbook.writer import BOOK
from operations.models import LogSettings

LONGEST_SEARCH = 500  # characters
NEVER_OFF = (Kind.ADMIN, Kind.ERRORS)


def _check(row: LogSettings) -> None:
    problems = []
    kinds = {kind.value for kind in Kind}
    for field in ("detailed", "switched_off"):
        for name in getattr(row, field):
            if name not in kinds:
                problems.append(Problem(field, f"there is no log {str(name)[:40]!r}"))
            elif field == "switched_off" and Kind(name) in NEVER_OFF:
                problems.append(Problem(field, f"{name} cannot be switched off"))
    if row.keep_days > 3650:
        problems.append(Problem("keep_days", "must be 0 to 3650"))
    if problems:
        raise ValuesRefused(tuple(problems))


LOGS: SingleRow[LogSettings] = SingleRow(LogSettings, "logs", _check)


def folder() -> Path:
    return Path(conf.MAILHOST_DATA) / "logs"


def apply() -> None:
    """Make this process's logbook do what the settings say; a change acts within seconds."""
    row = LOGS.load()
    for kind in Kind:
        level = Level.DETAILED if kind.value in row.detailed else Level.NORMAL
        BOOK.levels[kind] = Level.OFF if kind.value in row.switched_off else level
    BOOK.to_syslog = row.syslog


def days(kind: Kind) -> list[date]:
    """The days that have a log, newest first."""
    BOOK.flush()
    return reading.days(folder(), kind)


def sight_of(actor: User, domain: str = "") -> frozenset[str] | None:
    """Which names' lines an actor may read, as `search` and `download` take them (M-080).

    None: all, for system administrators. `domain`: one of those in sight alone. Raises
    DomainUnknown.
    """
    if domain:
        return frozenset(names_of(selectors.domain_for(actor, domain)))
    if actor.role == Role.SYSTEM_ADMINISTRATOR and actor.is_active:
        return None
    names = HostedName.objects.filter(domain__in=selectors.domains_for(actor))
    return frozenset(names.values_list("name", flat=True))


def search(
    *,
    kind: Kind,
    day: date,
    text: str = "",
    has_related: bool = False,
    domains: frozenset[str] | None = None,
) -> Found:
    """At most 1 MB in at most 10 seconds. `domains` None: for a system administrator; else only
    lines of these domains, as of those that an administrator rules. Raises NoLog."""
    BOOK.flush()
    words = tuple(text[:LONGEST_SEARCH].split())
    return reading.search(folder(), kind, day, Query(words, has_related, domains))


def download(
    *, kind: Kind, day: date, by: Actor | None, domains: frozenset[str] | None = None
) -> Iterator[bytes]:
    """The whole log as a ZIP file, in pieces; audited. Raises NoLog."""
    BOOK.flush()
    pieces = reading.zipped(folder(), kind, day, domains=domains)
    with transaction.atomic():
        what = f"{kind} of {day.isoformat()}"
        audit.record(by, "downloaded a log", LOGS.load(), {"log": ("", what)})
    return pieces


def keep(*, now: datetime) -> tuple[int, int]:
    """Compress and remove old logs; how many of each."""
    row = LOGS.load()
    return keeping.keep(
        folder(), today=now.date(), keep_days=row.keep_days or None, compress=row.compress
    )
