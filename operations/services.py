"""Starting and stopping services, and changing the listeners' settings."""

from __future__ import annotations

import time
from collections.abc import Iterable
from ipaddress import ip_address

from django.conf import settings
from django.db import transaction

from clock.moments import utc_now
from domains.directory import Memory
from domains.errors import Problem, ValuesRefused
from domains.singlerow import SingleRow
from events import audit
from events.audit import Actor
from operations import servicestate
from operations.errors import ServiceFailed
from operations.models import (
    ActualState,
    ListenerSettings,
    ResolverSettings,
    Service,
    ServiceState,
)
from operations.servicestate import ServiceStanding, Wish
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

# RFC 5321 §4.5.3.2.7, RFC 9051 §5.4, RFC 1939 §3: how long a server waits at least. SMTP's is
# advice that shorter waits may override under load; the floor only keeps sessions usable. LDAP
# has no rule.
LEAST_SECONDS = {
    "smtp_idle_seconds": 10, "imap_idle_seconds": 1800, "pop_idle_seconds": 600,
    "ldap_idle_seconds": 10,
}  # fmt: skip
# Processes follow a switch within two seconds; one that is busy gets a little longer.
ANSWER_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.1
NOTE = b"services"

_STARTED = (ActualState.RUNNING, ActualState.FAILING)
_STOPPED = (ActualState.STOPPED, ActualState.DRAINING)


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

_wishes: Memory[int, dict[str, Wish]] = Memory(limit=16)


def is_wanted(service: str, *, cached_only: bool = False) -> bool:
    """Whether the service is to run on this machine. Raises Cold."""
    node = settings.MAILHOST_NODE
    wishes = _wishes.ask(node, servicestate.wishes_on, cached_only=cached_only)
    return wishes[service].is_wanted


def forget() -> None:
    """Called for each note on Topic.SERVICES and Topic.SETTINGS."""
    _wishes.clear()


def start(
    service: str,
    *,
    by: Actor | None,
    node: int | None = None,
    wait_seconds: float = ANSWER_SECONDS,
) -> list[ServiceStanding]:
    """Let a service run, on one machine or (None) on all; how it stands there then (M-005).

    The wish is kept even if it cannot be fulfilled now. Raises ServiceFailed.
    """
    return _start([Service(service)], node=node, by=by, wait_seconds=wait_seconds)


def start_all(
    *, by: Actor | None, node: int | None = None, wait_seconds: float = ANSWER_SECONDS
) -> list[ServiceStanding]:
    """Start every stopped service; running ones are not touched (M-007). Raises ServiceFailed."""
    return _start(list(Service), node=node, by=by, wait_seconds=wait_seconds)


def stop(
    service: str,
    *,
    by: Actor | None,
    node: int | None = None,
    wait_seconds: float = ANSWER_SECONDS,
) -> list[ServiceStanding]:
    """Take no new work; what is under way is finished (M-006, M-008).

    Returns when no new session can begin. Raises ServiceFailed.
    """
    _switch([Service(service)], is_wanted=False, node=node, by=by)
    return _await([service], node=node, is_wanted=False, wait_seconds=wait_seconds)


def stop_all(
    *, by: Actor | None, node: int | None = None, wait_seconds: float = ANSWER_SECONDS
) -> list[ServiceStanding]:
    """Stop every service (M-008). The web goes on. Raises ServiceFailed."""
    services = list(Service)
    _switch(services, is_wanted=False, node=node, by=by)
    return _await(services, node=node, is_wanted=False, wait_seconds=wait_seconds)


def _start(
    services: list[Service], *, node: int | None, by: Actor | None, wait_seconds: float
) -> list[ServiceStanding]:
    _switch(services, is_wanted=True, node=node, by=by)
    found = _await(services, node=node, is_wanted=True, wait_seconds=wait_seconds)
    failing = [one for one in found if one.state == ActualState.FAILING]
    if failing:
        failures = tuple((one.node, one.reason) for one in failing)
        raise ServiceFailed(Service(failing[0].service).label, failures)
    return found


@transaction.atomic(durable=True)
def _switch(
    services: Iterable[Service], *, is_wanted: bool, node: int | None, by: Actor | None
) -> None:
    verb = "started service" if is_wanted else "stopped service"
    for service in services:
        before = servicestate.is_wanted_on(service, node)
        if node is None:
            # For all machines means: no machine keeps a wish of its own.
            ServiceState.objects.filter(service=service, node__isnull=False).delete()
        row, is_new = ServiceState.objects.select_for_update().get_or_create(
            service=service,
            node=node,
            defaults={"is_wanted": is_wanted, "changed_at": utc_now()},
        )
        # To start what is to run already means: try again now.
        if not is_new and (is_wanted or row.is_wanted):
            row.is_wanted, row.changed_at = is_wanted, utc_now()
            row.save(update_fields=["is_wanted", "changed_at"])
        if before != is_wanted:
            audit.record(by, verb, row, {"is_wanted": (before, is_wanted)})
        publish_on_commit(Topic.SERVICES, 0, service.value.encode(), durable=True)
    # The spool's policy says whether it delivers.
    publish_on_commit(Topic.SETTINGS, 0, NOTE, durable=True)
    transaction.on_commit(forget)


def _await(
    services: Iterable[str], *, node: int | None, is_wanted: bool, wait_seconds: float
) -> list[ServiceStanding]:
    """How they stand when every process that runs has followed. Raises ServiceFailed."""
    names = frozenset(services)
    ends_at = time.monotonic() + wait_seconds
    done = _STARTED if is_wanted else _STOPPED
    while True:
        found = [
            one
            for one in servicestate.standings()
            if one.service in names and node in (None, one.node)
        ]
        late = [one for one in found if one.state not in done or not one.has_followed]
        if not late:
            return found
        if time.monotonic() >= ends_at:
            failures = tuple((one.node, one.reason or one.state) for one in late)
            raise ServiceFailed(Service(late[0].service).label, failures)
        time.sleep(LOOK_AGAIN_SECONDS)
