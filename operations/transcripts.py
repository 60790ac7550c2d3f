"""Record the next minutes of one user or address: begun and ended by hand, ended by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from events import audit
from events.audit import Actor
from logbook.lines import Line, LineMalformed, decode
from logbook.taps import FOLDER, Watched
from operations.logs import folder
from operations.models import Transcript
from protocols.address import Address, MalformedAddress

STANDARD = timedelta(minutes=10)
LONGEST = timedelta(hours=1)
KEPT = timedelta(days=7)
MOST_OPEN = 20


@dataclass
class TranscriptUnknown(Exception):
    """There is none with that number."""

    transcript_id: int

    def __str__(self) -> str:
        return f"there is no transcript {self.transcript_id}"


@transaction.atomic
def start(
    *, subject: str, by: Actor | None, now: datetime, lasting: timedelta = STANDARD
) -> Transcript:
    """Record what is said with a user, with whoever writes from or to an address, or with a
    client's IP address; in all mail processes within two seconds. Raises ValuesRefused."""
    subject, account = _read_subject(subject)
    if not timedelta(0) < lasting <= LONGEST:
        raise ValuesRefused((Problem("lasting", "must be at most an hour"),))
    if _open(now).count() >= MOST_OPEN:
        raise ValuesRefused((Problem("subject", f"{MOST_OPEN} transcripts are running already"),))
    row = Transcript.objects.create(
        subject=subject,
        account_id=account.pk if account else None,
        domain_id=account.domain_id if account else None,
        actor=str(by)[:320] if by is not None else "server",
        started_at=now,
        ends_at=now + lasting,
    )
    audit.record(by, "started a transcript", row, {"subject": ("", subject)})
    return row


@transaction.atomic
def stop(transcript_id: int, *, by: Actor | None, now: datetime) -> Transcript:
    """Raises TranscriptUnknown."""
    row = transcript(transcript_id)
    if row.stopped_at is None and row.ends_at > now:
        row.stopped_at = now
        row.save(update_fields=["stopped_at"])
        audit.record(by, "stopped a transcript", row)
    return row


def transcript(transcript_id: int) -> Transcript:
    """Raises TranscriptUnknown."""
    row = Transcript.objects.filter(pk=transcript_id).first()
    if row is None:
        raise TranscriptUnknown(transcript_id)
    return row


def read(row: Transcript) -> Iterator[Line]:
    """What has been recorded so far; "C:" is the client, "S:" this server."""
    try:
        recorded = (folder() / FOLDER / f"{row.pk}.log").open("rb")
    except FileNotFoundError:
        return
    with recorded:
        for octets in recorded:
            try:
                yield decode(octets)
            except LineMalformed:
                continue


def watched() -> Watched:
    """For the sessions of this process: what is to be recorded now."""
    rows = list(_open(utc_now()))
    return Watched(
        accounts={row.account_id: row.pk for row in rows if row.account_id is not None},
        clients={row.subject: row.pk for row in rows if "@" not in row.subject},
        addresses={row.subject: row.pk for row in rows if "@" in row.subject},
        ends_at={row.pk: row.ends_at.timestamp() for row in rows},
    )


def forget_old(*, now: datetime) -> int:
    """Rows and files that have been kept long enough; how many."""
    old = Transcript.objects.filter(ends_at__lt=now - KEPT)
    for number in old.values_list("pk", flat=True):
        (folder() / FOLDER / f"{number}.log").unlink(missing_ok=True)
    return old.delete()[0]


def _open(now: datetime) -> QuerySet[Transcript]:
    return Transcript.objects.filter(stopped_at=None, ends_at__gt=now).order_by("pk")


def _read_subject(text: str) -> tuple[str, User | None]:
    text = text.strip().lower()
    try:
        if "@" not in text:
            return str(ip_address(text)), None
        address = Address.parse(text)
    except (ValueError, MalformedAddress):
        reason = "must be a mail address or an IP address"
        raise ValuesRefused((Problem("subject", reason),)) from None
    user = User.objects.filter(
        local_part=address.local_part.lower(), domain__name=address.domain
    ).first()
    return address.encode().lower(), user
