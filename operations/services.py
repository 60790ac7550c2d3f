"""Changing the listeners' settings."""

from __future__ import annotations

from domains.errors import Problem, ValuesRefused
from domains.singlerow import SingleRow
from operations.models import ListenerSettings

# RFC 5321 §4.5.3.2.7, RFC 9051 §5.4, RFC 1939 §3: how long a server waits at least. SMTP's is
# advice that shorter waits may override under load; the floor only keeps sessions usable.
LEAST_SECONDS = {"smtp_idle_seconds": 10, "imap_idle_seconds": 1800, "pop_idle_seconds": 600}


def _check(row: ListenerSettings) -> None:
    problems = [
        Problem(field, f"must be at least {least}")
        for field, least in LEAST_SECONDS.items()
        if getattr(row, field) < least
    ]
    if row.bad_commands == 0:
        problems.append(Problem("bad_commands", "must be at least 1"))
    if problems:
        raise ValuesRefused(tuple(problems))


LISTENERS = SingleRow(ListenerSettings, "listeners", _check)
