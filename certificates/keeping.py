"""What is done about certificates every minute: all that needs no network."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction

from certificates import challenges, expiry, files, services
from certificates.errors import CertificateRefused
from certificates.models import Certificate, Source
from events import audit

log = structlog.get_logger(__name__)

MISSING = "its file is missing"


def keep(*, now: datetime) -> int:
    """One round; may run in several processes at once. How many certificates are to be ordered."""
    take_in(now=now)
    expiry.warn(now=now)
    challenges.forget_before(now - challenges.KEPT)
    return len(services.due_for_renewal(now=now))


def take_in(*, now: datetime) -> None:
    """Make the rows say what is in the folder, where operators place files by hand too."""
    found = files.stamps()
    known = {row.host: row for row in Certificate.objects.all()}
    for host, stamp in found.items():
        if host not in known or known[host].file_stamp != stamp:
            _take_in(host, now)
    for host, row in known.items():
        if row.file_stamp and host not in found:
            _miss(host)


@transaction.atomic
def _take_in(host: str, now: datetime) -> None:
    if len(host) > 255:
        return
    row = services.locked(host, Source.FILE)
    # Looked at again, now that no other process changes row and file.
    stamp = files.stamps().get(host)
    if stamp is None:
        if not row.file_stamp and row.source == Source.FILE:
            row.delete()
        return
    if stamp == row.file_stamp:
        return
    row.file_stamp = stamp
    try:
        bundle = files.read(files.path_of(host))
    except CertificateRefused as error:
        row.last_error = error.reason[:500]
        log.error("certificate cannot be used", host=host, reason=error.reason)
    else:
        if bundle.fingerprint != row.fingerprint:
            changes = services.describe(row, bundle, source=Source.FILE, now=now)
            audit.record(None, "took in certificate", row, changes)
        row.last_error = ""
    row.save()


@transaction.atomic
def _miss(host: str) -> None:
    row = Certificate.objects.select_for_update().filter(host=host).first()
    if row is None or not row.file_stamp or host in files.stamps():
        return
    if row.source == Source.FILE:
        audit.record(None, "missed certificate", row)
        row.delete()
    elif row.last_error != MISSING:
        log.error("certificate cannot be used", host=host, reason=MISSING)
        row.last_error = MISSING
        row.save(update_fields=["last_error"])
