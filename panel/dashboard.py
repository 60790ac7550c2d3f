"""How the server is: services, spool, disk and connections, for the first page (M-090)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count

from accounts.models import User
from blobs.space import FreeSpace
from clock.moments import utc_now
from operations import servicestate, useractivity
from panel import servicerows
from panel.servicerows import ServiceRow
from spool import freespace, statistics
from spool.hours import Hour, hours_for
from spool.statistics import Statistics
from units import moments

PROTOCOLS = {"smtp": "SMTP", "imap": "IMAP", "pop": "POP", "ldap": "LDAP"}
HOURS = 24
ENDS = {
    "Delivered here": ("delivered",),
    "Sent to others": ("relayed",),
    "Bounced": ("bounced", "expired"),
}


@dataclass(frozen=True, slots=True)
class Chart:
    """`data` goes to the script as JSON; `summary` says the same to who cannot see it."""

    name: str
    title: str
    data: dict[str, Any]
    summary: str


@dataclass(frozen=True, slots=True)
class Disk:
    free: FreeSpace

    @property
    def used_percent(self) -> int:
        total = self.free.total_bytes
        return (total - self.free.free_bytes) * 100 // total if total else 0


@dataclass(frozen=True, slots=True)
class Dashboard:
    services: list[ServiceRow]
    spool: Statistics
    disk: Disk
    charts: list[Chart]


def of_server(actor: User) -> Dashboard:
    """For system administrators; a dozen small queries. Raises NotPermitted."""
    standings = servicestate.standings_for(actor)
    now = utc_now()
    return Dashboard(
        services=servicerows.rows(standings),
        spool=statistics.current(now=now),
        disk=Disk(freespace.free_space()),
        charts=[mail_chart(actor, now), _connections(actor)],
    )


def mail_chart(actor: User, now: datetime) -> Chart:
    """Of the domains in sight."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    found = {hour.begins_at: hour for hour in hours_for(actor, since=first, until=now)}
    begins = [first + timedelta(hours=number) for number in range(HOURS)]
    hours = [found.get(at) or Hour(at, 0, {}) for at in begins]
    sets = {"Accepted": [hour.accepted for hour in hours]} | {
        label: [sum(hour.ends.get(end, 0) for end in ends) for hour in hours]
        for label, ends in ENDS.items()
    }
    data = {
        "type": "line",
        "labels": [moments.hour(at) for at in begins],
        "sets": [{"label": label, "values": values} for label, values in sets.items()],
    }
    totals = ", ".join(f"{label.lower()} {sum(values):,}" for label, values in sets.items())
    heading = f"Mail of the last 24 hours (recipients, {moments.zone_name(now)})"
    return Chart("mail", heading, data, totals)


def _connections(actor: User) -> Chart:
    rows = useractivity.connections_for(actor).order_by().values_list("service")
    counts = dict(rows.annotate(number=Count("id")).values_list("service", "number"))
    numbers = [counts.get(service, 0) for service in PROTOCOLS]
    data = {
        "type": "bar",
        "labels": list(PROTOCOLS.values()),
        "sets": [{"label": "Connections", "values": numbers}],
    }
    summary = ", ".join(
        f"{label} {number:,}" for label, number in zip(PROTOCOLS.values(), numbers, strict=True)
    )
    return Chart("connections", "Connections now", data, summary)
