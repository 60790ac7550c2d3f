"""Connections, services and blocks as rows, for the operator's pages."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from accounts.models import User
from clock.moments import utc_now
from jobs.models import ENDED, Job, State
from operations.models import ActualState, Connection, Process, Service, ServiceReport

_numbers = count(1)


def make_process(node: int = 0, *, failing: str = "") -> Process:
    """A mail process that lives, with its services running; `failing`: all but that one."""
    now = utc_now()
    number = next(_numbers)
    process = Process.objects.create(
        id=number, node=node, pid=1000 + number, started_at=now, seen_at=now
    )
    for service in Service:
        is_failing = service == failing
        ServiceReport.objects.create(
            process=process,
            service=service,
            state=ActualState.FAILING if is_failing else ActualState.RUNNING,
            reason="port 143 is in use" if is_failing else "",
            sessions=3,
            is_wanted=True,
            seen_at=now,
        )
    return process


def make_connection(
    process: Process,
    service: str = Service.IMAP,
    *,
    user: User | None = None,
    client_address: str = "192.0.2.7",
    is_outbound: bool = False,
    minutes: int = 5,
) -> Connection:
    began = utc_now() - timedelta(minutes=minutes)
    number = next(_numbers)
    return Connection.objects.create(
        id=10_000 + number,
        process=process,
        service=service,
        is_outbound=is_outbound,
        client_address=client_address,
        client_port=25 if is_outbound else 40_000 + number,
        local_address="198.51.100.1",
        local_port={"smtp": 25, "imap": 993, "pop": 995}.get(service, 443),
        is_encrypted=user is not None,
        tls="TLSv1.3 TLS_AES_256_GCM_SHA384" if user is not None else "",
        peer_name="mx.elsewhere.example" if is_outbound else "",
        account_id=user.pk if user else None,
        domain_id=user.domain_id if user else None,
        started_at=began,
        logged_in_at=began if user else None,
        bytes_in=2048,
        bytes_out=3_500_000,
    )


def make_job(domain_id: int | None = None, **values: object) -> Job:
    """A job that runs, 40 of 90 steps done."""
    now = utc_now()
    given: dict[str, object] = {
        "state": State.RUNNING, "done": 40, "total": 90, "words": "at user40@own.example",
        "notes": [[now.isoformat(timespec="seconds"), "begun"]],
    }  # fmt: skip
    given.update(values)
    if given["state"] in ENDED:
        given["finished_at"] = now
    return Job.objects.create(
        kind="import-users", actor="root", domain_id=domain_id, created_at=now, started_at=now,
        **given,
    )  # fmt: skip
