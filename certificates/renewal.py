"""Orders what is wanted or due, and writes down how that went."""

from __future__ import annotations

import random
from datetime import datetime

import structlog
from django.db import transaction

from certificates import ordering, schedule, services
from certificates.errors import AcmeOff, BetterOneInUse, OrderFailed
from certificates.models import Certificate, Source
from certificates.settings import ACME
from clock.moments import utc_now
from domains.errors import Refused
from events import audit
from events.audit import Actor

log = structlog.get_logger(__name__)

UNFINISHED = "the order was begun and did not end"


def request(
    *, host: str, by: Actor | None, now: datetime, trial_directory: str = ""
) -> Certificate:
    """Order and install at once; waits for the ACME server, so never in a transaction.

    `trial_directory` is asked instead of the usual server, also at renewals. A host that had no
    certificate is tried again later when this fails.

    Raises NameMalformed, NotOrderable, AcmeOff, BetterOneInUse, OrderFailed, CertificateRefused.
    """
    host = services.orderable(host)
    if not ACME.load().is_enabled:
        raise AcmeOff
    row = Certificate.objects.filter(host=host).first()
    if trial_directory and row is not None:
        _may_be_tried_on(row, trial_directory, now)
    if row is None:
        with transaction.atomic():
            row = services.locked(host, Source.ACME)
            row.directory_url = trial_directory
            row.save(update_fields=["directory_url"])
            audit.record(by, "asked for certificate", row)
    if row.source == Source.ACME:
        _write_attempt(row, now)
    return _order(row, trial_directory, by)


def renew_due(*, now: datetime) -> int:
    """Order all that is due, each once; how many were installed.

    May run in several processes: the attempt is written down first, and who writes it has it.
    """
    renewed = 0
    for row in services.due_for_renewal(now=now):
        if not _write_attempt(row, now):
            continue
        try:
            _order(row, row.directory_url, None)
            renewed += 1
        except Refused as error:
            log.warning("certificate was not renewed", host=row.host, reason=str(error))
        except Exception as error:
            log.exception("certificate was not renewed by a fault of ours", host=row.host)
            _write_failure(row, repr(error))
    return renewed


def _write_attempt(row: Certificate, now: datetime) -> bool:
    """Count it as failed until it is known to have worked; False: another process has begun."""
    failures = row.failures + 1
    renew_at = schedule.retry_at(failures, now=now, randomness=random.random())
    count = Certificate.objects.filter(pk=row.pk, renew_at=row.renew_at).update(
        failures=failures, renew_at=renew_at, last_error=UNFINISHED
    )
    row.failures, row.renew_at = failures, renew_at
    return bool(count)


def _order(row: Certificate, directory_url: str, by: Actor | None) -> Certificate:
    settings = ACME.load()
    try:
        issued = ordering.order(
            row.host,
            directory_url=directory_url or settings.directory_url,
            contact=settings.contact,
        )
        return services.install(
            host=row.host,
            chain_pem=issued.chain_pem,
            key_pem=issued.key_pem,
            by=by,
            now=utc_now(),
            source=Source.ACME,
            directory_url=directory_url,
        )
    except Refused as error:
        # Where nothing is tried again, the caller's error says enough.
        if row.renew_at is not None:
            _write_failure(row, error.reason if isinstance(error, OrderFailed) else str(error))
        raise


@transaction.atomic
def _write_failure(row: Certificate, reason: str) -> None:
    Certificate.objects.filter(pk=row.pk).update(last_error=reason[:500])
    audit.record(None, "could not order certificate", row, {"last_error": ("", reason[:500])})


def _may_be_tried_on(row: Certificate, trial_directory: str, now: datetime) -> None:
    """Raises BetterOneInUse if the host has a certificate that is not itself one of that trial."""
    if row.not_after is None or row.not_after <= now:
        return
    if row.source != Source.ACME or row.directory_url != trial_directory:
        raise BetterOneInUse(row.host, row.issuer, row.not_after)
