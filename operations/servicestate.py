"""How services stand: what is wanted, what their processes say, and since when (M-001…M-004)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts import permissions
from accounts.models import User
from accounts.permissions import Verb
from blobs.committer import Job
from clock.moments import to_micros, utc_now
from operations.models import ActualState, Process, Service, ServiceReport, ServiceState

# Older reports say nothing any more (M-003).
HEARTBEAT = timedelta(seconds=15)
# A stopped spool is told of after that long (M-017).
SPOOL_PATIENCE = timedelta(minutes=10)

DESCRIPTIONS = {
    Service.SMTP: "Takes in mail from other servers and from users' mail programs",
    Service.POP: "Lets mail programs download mail from the mailbox (POP3)",
    Service.IMAP: "Keeps mail on the server and lets mail programs work on it (IMAP4)",
    Service.LDAP: "Answers directory queries of mail programs",
    Service.POP_RETRIEVAL: "Fetches mail from external POP3 servers into local mailboxes",
    Service.IMAP_RETRIEVAL: "Fetches mail from external IMAP servers into local mailboxes",
    Service.SPOOL: "Delivers queued mail to local mailboxes and to other servers",
}
NO_PROCESS = "No process of this service is running"
SILENT = "Its process has not been heard of for 15 s"

_SEVERITY = {state: number for number, state in enumerate(ActualState)}
_UPSERT = (
    "INSERT INTO operations_servicereport"
    " (process_id, service, state, reason, sessions, is_wanted, followed_at, seen_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (process_id, service) DO UPDATE"
    " SET state = EXCLUDED.state, reason = EXCLUDED.reason, sessions = EXCLUDED.sessions,"
    " is_wanted = EXCLUDED.is_wanted, followed_at = EXCLUDED.followed_at,"
    " seen_at = EXCLUDED.seen_at"
)
_LIVES = "SELECT 1 FROM operations_process WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Wish:
    """Whether a service is to run; `since` None: nobody ever said so."""

    is_wanted: bool = True
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a process says of one of its services, after having carried out `wish`."""

    service: str
    state: str
    wish: Wish
    reason: str = ""
    sessions: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class TellReports(Job):
    """All reports of one process, as a job of the committer."""

    waits_for_disk = False

    process_id: int
    now: datetime
    reports: Sequence[Report]

    @staticmethod
    def write_rows(jobs: Sequence[TellReports], cursor: Any) -> None:
        for job in jobs:
            cursor.execute(_LIVES, (job.process_id,))
            if cursor.fetchone() is not None:  # taken for dead, it enters again in a moment
                cursor.executemany(_UPSERT, [job._row(report) for report in job.reports])

    def _row(self, report: Report) -> tuple[Any, ...]:
        return (
            self.process_id, report.service, report.state, report.reason[:300], report.sessions,
            report.wish.is_wanted, report.wish.since and to_micros(report.wish.since),
            to_micros(self.now),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProcessStanding:
    """One service in one process; `reason` says why it fails."""

    pid: int
    state: str
    reason: str
    sessions: int
    followed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ServiceStanding:
    """One row of the Services page: a service on one machine."""

    service: str
    node: int
    is_wanted: bool
    wished_at: datetime | None
    state: str
    reason: str = ""
    warning: str = ""
    sessions: int = 0
    processes: tuple[ProcessStanding, ...] = field(default=())

    @property
    def label(self) -> str:
        return Service(self.service).label

    @property
    def description(self) -> str:
        return DESCRIPTIONS[Service(self.service)]

    @property
    def has_followed(self) -> bool:
        """Whether every process of it has carried out the present wish."""
        return all(one.followed_at == self.wished_at for one in self.processes)


def standings_for(actor: User) -> list[ServiceStanding]:
    """Every service on every machine that is known. Raises NotPermitted."""
    permissions.require(actor, Verb.MANAGE_SERVER)
    return standings()


def standings(*, now: datetime | None = None) -> list[ServiceStanding]:
    """The same for services and commands; three queries."""
    now = now or utc_now()
    wishes = _wishes()
    reports: defaultdict[tuple[str, int], list[ServiceReport]] = defaultdict(list)
    recent = now - 4 * HEARTBEAT
    for report in ServiceReport.objects.filter(seen_at__gte=recent).select_related("process"):
        reports[report.service, report.process.node].append(report)
    living = Process.objects.filter(seen_at__gte=recent).values_list("node", flat=True)
    nodes = sorted({*living, *(node for _, node in wishes if node is not None)}) or [0]
    return [
        _standing(service, node, wishes, reports[service, node], now)
        for node in nodes
        for service in Service
    ]


def wishes_on(node: int) -> dict[str, Wish]:
    """Of every service on one machine."""
    wishes = _wishes()
    return {service.value: _wish(wishes, service, node) for service in Service}


def is_wanted_on(service: str, node: int | None) -> bool:
    """`node` None: on every machine, those with a wish of their own and the others."""
    wishes = _wishes()
    if node is not None:
        return _wish(wishes, service, node).is_wanted
    return all(wish.is_wanted for (name, _), wish in wishes.items() if name == service)


def stopped_everywhere(service: str) -> bool:
    """No machine is to run it: what waits for it waits until somebody starts it."""
    wishes = _wishes()
    said = [wish.is_wanted for (name, _), wish in wishes.items() if name == service]
    return (service, None) in wishes and not any(said)


def stopped_since(service: str, node: int) -> datetime | None:
    """Since when a service is not to run on a machine; None: it is."""
    wish = _wish(_wishes(), service, node)
    return None if wish.is_wanted else wish.since


Wishes = dict[tuple[str, int | None], Wish]


def _wishes() -> Wishes:
    return {
        (row.service, row.node): Wish(row.is_wanted, row.changed_at)
        for row in ServiceState.objects.all()
    }


def _wish(wishes: Wishes, service: str, node: int) -> Wish:
    return wishes.get((service, node)) or wishes.get((service, None)) or Wish()


def _standing(
    service: Service, node: int, wishes: Wishes, reports: list[ServiceReport], now: datetime
) -> ServiceStanding:
    wish = _wish(wishes, service, node)
    processes = tuple(_of_process(report, now) for report in reports)
    worst = min(processes, key=lambda one: _SEVERITY[ActualState(one.state)], default=None)
    if worst is not None:
        state, reason = worst.state, worst.reason
    elif wish.is_wanted:
        state, reason = ActualState.FAILING.value, NO_PROCESS
    else:
        state, reason = ActualState.STOPPED.value, ""
    return ServiceStanding(
        service=service.value,
        node=node,
        is_wanted=wish.is_wanted,
        wished_at=wish.since,
        state=state,
        reason=reason,
        warning=_warning(service, wish, now),
        sessions=sum(one.sessions for one in processes),
        processes=processes,
    )


def _warning(service: Service, wish: Wish, now: datetime) -> str:
    if service != Service.SPOOL or wish.is_wanted or wish.since is None:
        return ""
    if now - wish.since < SPOOL_PATIENCE:
        return ""
    minutes = int((now - wish.since).total_seconds() // 60)
    return f"Stopped for {minutes} minutes: no mail is delivered"


def _of_process(report: ServiceReport, now: datetime) -> ProcessStanding:
    is_silent = report.seen_at < now - HEARTBEAT
    return ProcessStanding(
        report.process.pid,
        ActualState.FAILING.value if is_silent else report.state,
        SILENT if is_silent else report.reason,
        report.sessions,
        report.followed_at,
    )
