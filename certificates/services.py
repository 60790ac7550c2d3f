"""The operator's verbs: install a certificate, ask for one to be ordered, remove one."""

from __future__ import annotations

import random
from datetime import datetime

from django.db import transaction

from certificates import files, pem, schedule
from certificates.errors import AcmeOff, CertificateUnknown, DefaultNeeded, NotOrderable
from certificates.models import Certificate, Source
from certificates.names import DEFAULT, read_host
from certificates.pem import Bundle
from certificates.settings import ACME
from events import audit
from events.audit import Actor
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

NOTE = b"certificates"
_DESCRIBED = ("source", "issuer", "not_before", "not_after", "fingerprint")


def install(
    *,
    host: str,
    chain_pem: bytes,
    key_pem: bytes,
    by: Actor | None,
    now: datetime,
    source: Source = Source.UPLOAD,
    directory_url: str = "",
) -> Certificate:
    """Show this certificate to the clients of `host` from now on; open sessions stay.

    Raises NameMalformed and CertificateRefused; then everything is as it was.
    """
    host = read_host(host)
    bundle = pem.parse(chain_pem, key_pem)
    pem.check(bundle, host=host, now=now)
    with transaction.atomic():
        row = locked(host, source)
        changes = describe(row, bundle, source=source, now=now)
        row.directory_url = directory_url
        # Last, so that only a failing commit could leave a file that its row does not describe;
        # the next look at the folder mends that.
        row.file_stamp = files.write(host, bundle)
        row.save()
        audit.record(by, "installed certificate", row, changes)
        publish_on_commit(Topic.SETTINGS, 0, NOTE, durable=True)
    return row


def ask_for(*, host: str, by: Actor | None, now: datetime) -> Certificate:
    """Have a certificate ordered soon, and renewed from then on; what is there stays meanwhile.

    Raises NameMalformed, NotOrderable, AcmeOff.
    """
    host = orderable(host)
    if not ACME.load().is_enabled:
        raise AcmeOff
    with transaction.atomic():
        row = locked(host, Source.ACME)
        row.renew_at, row.failures, row.directory_url = now, 0, ""
        row.save(update_fields=["renew_at", "failures", "directory_url"])
        audit.record(by, "asked for certificate", row)
    return row


def remove(*, host: str, by: Actor | None) -> None:
    """The host's clients see the default certificate from now on.

    Raises CertificateUnknown, DefaultNeeded.
    """
    host = host if host == DEFAULT else read_host(host)
    if host == DEFAULT:
        raise DefaultNeeded
    with transaction.atomic():
        row = Certificate.objects.select_for_update().filter(host=host).first()
        if row is None:
            raise CertificateUnknown(host)
        audit.record(by, "removed certificate", row)
        row.delete()
        files.remove(host)
        publish_on_commit(Topic.SETTINGS, 0, NOTE, durable=True)


def due_for_renewal(*, now: datetime) -> list[Certificate]:
    """What is to be ordered now, the most urgent first; nothing while ordering is off."""
    if not ACME.load().is_enabled:
        return []
    return list(Certificate.objects.filter(renew_at__lte=now).order_by("renew_at"))


def orderable(host: str) -> str:
    """The stored form of a host that HTTP-01 can prove. Raises NameMalformed, NotOrderable."""
    host = read_host(host)
    if host.startswith("*."):
        raise NotOrderable(host)
    return host


def locked(host: str, source: Source) -> Certificate:
    """The host's row, made if there is none, until the transaction ends."""
    Certificate.objects.get_or_create(host=host, defaults={"source": source})
    return Certificate.objects.select_for_update().get(host=host)


def describe(
    row: Certificate, bundle: Bundle, *, source: Source, now: datetime
) -> dict[str, tuple[object, object]]:
    """Make the row say what the bundle is; old and new of what a person would ask for."""
    before = {name: getattr(row, name) for name in _DESCRIBED}
    row.source = source
    row.issuer = bundle.issuer
    row.not_before, row.not_after = bundle.not_before, bundle.not_after
    row.fingerprint = bundle.fingerprint
    row.installed_at = now
    row.failures, row.last_error, row.warned_days = 0, "", None
    row.renew_at = None
    if source == Source.ACME:
        row.renew_at = schedule.renewal_at(
            bundle.not_before, bundle.not_after, now=now, randomness=random.random()
        )
    return {
        name: (old, getattr(row, name)) for name, old in before.items() if old != getattr(row, name)
    }
