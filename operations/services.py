"""Changing the listeners' settings."""

from __future__ import annotations

from ipaddress import ip_address

from domains.errors import Problem, ValuesRefused
from domains.singlerow import SingleRow
from operations.models import ListenerSettings, ResolverSettings

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


def _check_resolver(row: ResolverSettings) -> None:
    problems = [
        Problem(field, "must be an IP address, or address:port")
        for field in ("primary", "secondary")
        if (text := getattr(row, field)) and not _is_name_server(text)
    ]
    if row.secondary and not row.primary:
        problems.append(Problem("primary", "must not be empty when there is a second one"))
    if problems:
        raise ValuesRefused(tuple(problems))


def _is_name_server(text: str) -> bool:
    """`192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`."""
    host, _, port = text.rpartition(":")
    if text.startswith("[") or (host and ":" not in host):
        if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65_535):
            return False
        text = host.removeprefix("[").removesuffix("]")
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


RESOLVER = SingleRow(ResolverSettings, "resolver", _check_resolver)
LISTENERS = SingleRow(ListenerSettings, "listeners", _check)
