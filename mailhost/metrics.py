"""/metrics for Prometheus, /healthz and /readyz (M-090)."""

from __future__ import annotations

import hmac
import shutil
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from blobs.ids import time_of
from clock.moments import utc_now
from jobs.models import Job
from operations import logcounts
from operations.connections import SILENCE
from operations.models import Connection, LostAddress, Process
from spool import freespace, ledgersums, measuring
from spool.ledger import ENDS
from spool.models import SpoolMinute, State

SERVICES = ("smtp", "imap", "pop", "ldap")
WAITING = (State.QUEUED, State.RETRYING, State.THROTTLED, State.HELD)


def metrics(request: HttpRequest) -> HttpResponse:
    """What Prometheus scrapes; for machines that are let in, or who has the token."""
    if not _may_see(request):
        return HttpResponse("Not for you\n", status=403, content_type="text/plain")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServerCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def alive(request: HttpRequest) -> HttpResponse:
    """The web part answers; says nothing else, so anybody may ask."""
    return HttpResponse("ok\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """Whether the parts of the server work: 200 or 503, with the reasons for who may see them."""
    checks = _checks()
    is_ready = all(value == "ok" for value in checks.values())
    body = {"status": "ok" if is_ready else "not ready"}
    if _may_see(request):
        body |= checks
    return JsonResponse(body, status=200 if is_ready else 503)


def _may_see(request: HttpRequest) -> bool:
    """By token; or by address, unless a proxy says that it asks for somebody else."""
    token: str = settings.MAILHOST_METRICS_TOKEN
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if token and hmac.compare_digest(given.encode(), token.encode()):
        return True
    if {"X-Forwarded-For", "Forwarded", "X-Real-Ip"} & set(request.headers):
        return False
    try:
        client = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(client in ip_network(network) for network in settings.MAILHOST_METRICS_ALLOW)


def _checks() -> dict[str, str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        lives = Process.objects.filter(seen_at__gte=utc_now() - SILENCE).exists()
        is_low = freespace.free_space().is_low
    except DatabaseError:
        return {"database": "does not answer"}
    return {
        "database": "ok",
        "mail": "ok" if lives else "no mail process lives",
        "disk": "low on space" if is_low else "ok",
    }


class ServerCollector(Collector):
    """Everything is read when it is asked for: rows that all processes write, and the disk."""

    def collect(self) -> Iterator[Metric]:
        yield from _processes()
        yield from _queue()
        yield from _ledger()
        yield from _addresses()
        yield from _disk()
        yield from _logs()
        yield from _jobs()


def _processes() -> Iterator[Metric]:
    lives = Q(process__seen_at__gte=utc_now() - SILENCE)
    processes = Process.objects.filter(seen_at__gte=utc_now() - SILENCE).count()
    yield GaugeMetricFamily("mailhost_processes", "Mail processes that live.", processes)
    sessions = GaugeMetricFamily(
        "mailhost_sessions", "Sessions that are open now.", labels=("service", "is_logged_in")
    )
    rows = Connection.objects.filter(lives).values_list("service")
    counts = {
        (service, is_known): count
        for service, is_known, count in rows.annotate(
            known=Q(account_id__isnull=False), number=Count("id")
        ).values_list("service", "known", "number")
    }
    for service in SERVICES:
        for is_known in (True, False):
            sessions.add_metric(
                (service, "yes" if is_known else "no"), counts.get((service, is_known), 0)
            )
    yield sessions


def _queue() -> Iterator[Metric]:
    """As the spool counts itself once a minute: a scrape costs the same however much waits."""
    counted = SpoolMinute.objects.exclude(messages=None).order_by("-minute").first()
    queue = GaugeMetricFamily(
        "mailhost_queue_recipients", "Recipients that wait in the spool.", labels=("state",)
    )
    for state, number in _counted_by_state(counted).items():
        queue.add_metric((state.name.lower(),), number)
    queue.add_metric(("quarantined",), (counted and counted.quarantined) or 0)
    yield queue
    if counted is not None:
        yield GaugeMetricFamily(
            "mailhost_queue_counted_timestamp_seconds", "When the recipients were counted.",
            (counted.minute + 1) * 60,
        )  # fmt: skip
    # Ids grow with time.
    with connection.cursor() as cursor:
        oldest = measuring.oldest_waiting(cursor)
    age = (utc_now() - time_of(oldest)).total_seconds() if oldest is not None else 0.0
    yield GaugeMetricFamily(
        "mailhost_queue_oldest_seconds", "Age of the oldest message that waits.",
        max(0.0, age),
    )  # fmt: skip


def _counted_by_state(counted: SpoolMinute | None) -> dict[State, int]:
    if counted is None:
        return dict.fromkeys(WAITING, 0)
    quarantined = counted.quarantined or 0
    known = {
        State.RETRYING: counted.retrying or 0,
        State.THROTTLED: counted.throttled or 0,
        State.HELD: (counted.held or 0) - quarantined,
    }
    rest = (counted.recipients or 0) - quarantined - sum(known.values())
    return {state: known.get(state, max(rest, 0)) for state in WAITING}


def _ledger() -> Iterator[Metric]:
    sums = ledgersums.totals()
    yield CounterMetricFamily(
        "mailhost_recipients_accepted", "Recipients of messages that were accepted.",
        sums["accepted"],
    )  # fmt: skip
    ended = CounterMetricFamily(
        "mailhost_recipients_ended", "Recipients by how they ended.", labels=("end",)
    )
    for name in ENDS:
        ended.add_metric((name,), sums[name])
    yield ended


def _addresses() -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "mailhost_lost_addresses", "Addresses that domains listen on and their machine has not.",
        LostAddress.objects.count(),
    )  # fmt: skip


def _disk() -> Iterator[Metric]:
    usage = shutil.disk_usage(settings.MAILHOST_DATA)
    yield GaugeMetricFamily("mailhost_disk_free_bytes", "Free where the data are.", usage.free)
    yield GaugeMetricFamily("mailhost_disk_size_bytes", "Size of that disk.", usage.total)


def _logs() -> Iterator[Metric]:
    counts = logcounts.all_counts()
    for name, what, numbers in (
        ("written", "Lines written into the logs by processes that live.", counts.written),
        ("dropped", "Detailed lines dropped because too many came.", counts.dropped),
    ):
        family = CounterMetricFamily(f"mailhost_log_lines_{name}", what, labels=("log",))
        for kind, number in sorted(numbers.items()):
            family.add_metric((kind,), number)
        yield family


def _jobs() -> Iterator[Metric]:
    counts = dict(
        Job.objects.filter(state__in=("queued", "running"))
        .order_by()
        .values_list("state")
        .annotate(Count("id"))
    )
    jobs = GaugeMetricFamily("mailhost_jobs", "Background jobs by state.", labels=("state",))
    for state in ("queued", "running"):
        jobs.add_metric((state,), counts.get(state, 0))
    yield jobs
