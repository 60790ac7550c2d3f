"""Whole mailboxes as files: made by a job, fetched by whoever asked for it, gone after some days.

Users export their own mailbox; who administers a domain exports those in it (U-024).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts import permissions, selectors
from accounts.errors import NotPermitted, UserUnknown
from accounts.models import Role, User
from accounts.permissions import Verb
from blobs.errors import StoreFull
from blobs.failures import store_error
from blobs.space import free_space
from clock.moments import utc_now
from events import audit
from jobs import services
from jobs.kinds import job
from jobs.models import ENDED, Job, State
from jobs.progress import Progress
from mailboxes import mboxzip
from mailboxes.errors import ExportGone, NoRoomForExport
from mailboxes.models import AccountUsage

KIND = "export-mailbox"
KEPT = timedelta(days=7)
SHOWN = 5
LOOK_EACH = 200  # messages, at the room that is left


@dataclass(frozen=True, slots=True)
class Export:
    """One job, and its file if that can be fetched; `reason`: why there is none, for people."""

    job: Job
    path: Path | None
    reason: str = ""

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path is not None else 0


@transaction.atomic
def start(*, user: User, by: User) -> Job:
    """Of that mailbox, for that actor; one that waits or runs already serves.

    Raises NotPermitted, FeatureOff, NoRoomForExport.
    """
    require_leave(by, user)
    unfinished = _jobs(by, user).exclude(state__in=ENDED).first()
    if unfinished is not None:
        return unfinished
    require_room(user)
    usage = AccountUsage.objects.filter(account=user).first()
    audit.record(by, "began to export the mailbox", user)
    return services.start(
        export_mailbox, by=by, domain_id=user.domain_id,
        total=usage.messages if usage is not None else 0, account=user.pk,
    )  # fmt: skip


@job(KIND, "Export a mailbox")
def export_mailbox(progress: Progress, *, account: int) -> dict[str, Any]:
    """The file is written anew when the job is begun again. In the name of who asked, who must
    still be allowed to."""
    by = User.objects.select_related("domain").get(pk=progress.actor_id or 0)
    user = User.objects.select_related("domain").filter(pk=account).first()
    if user is None:
        raise ExportGone(progress.job_id)
    require_leave(by, user)
    path = _path(progress.job_id)
    make_folder(path.parent)
    written = write(path, user, progress=progress)
    _drop_older(by, user, progress.job_id)
    for words in written.damaged:
        progress.note(f"Could not be read: {words}")
    return {
        "messages": written.messages,
        "bytes": path.stat().st_size,
        "damaged": len(written.damaged),
    }


def write(path: Path, user: User, *, progress: Progress) -> mboxzip.Written:
    """Under its name the file is whole. Raises NoRoomForExport, JobStopped, OSError."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    total = progress.total or 0

    def tell(done: int) -> None:
        most = max(done, total)
        progress.report(done, most, f"{done:,} of {most:,} messages")
        if done % LOOK_EACH == 0 and free_space(part.parent).is_low:
            raise NoRoomForExport(str(user))

    try:
        with os.fdopen(fd, "w+b") as file:
            written = mboxzip.write(file, user, now=utc_now(), tell=tell)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError as error:
        if isinstance(store_error(error), StoreFull):
            raise NoRoomForExport(str(user)) from error
        raise
    finally:
        part.unlink(missing_ok=True)
    return written


def latest(actor: User, user: User) -> list[Export]:
    """The actor's own of that mailbox, newest first. Raises NotPermitted, FeatureOff."""
    require_leave(actor, user)
    return [Export(row, _file_of(row), _reason(row, user)) for row in _jobs(actor, user)[:SHOWN]]


def fetch(actor: User, user: User, job_id: int) -> Path:
    """What the job has made, for whoever asked for it and may still have it; on record.

    Raises ExportGone, NotPermitted, FeatureOff.
    """
    require_leave(actor, user)
    row = _jobs(actor, user).filter(pk=job_id).first() if job_id < 2**63 else None
    path = _file_of(row) if row is not None else None
    if path is None:
        raise ExportGone(job_id)
    with transaction.atomic():
        audit.record(actor, "downloaded the exported mailbox", user)
    return path


def download_name(user: User) -> str:
    return f"{str(user).replace('@', ' at ')}.zip"


def require_leave(actor: User, user: User) -> None:
    """Raises NotPermitted, FeatureOff: who is logged in as another may be kept from mail (U-061).

    What an actor may not even see is for `user_for` to hide.
    """
    permissions.require_sight_of_mail(actor)
    if user.domain is None or not actor.is_active:
        raise NotPermitted(Verb.CHANGE_USERS)
    if actor.pk != user.pk:
        permissions.require(actor, Verb.CHANGE_USERS, user.domain)


def user_for(actor: User, address: str) -> User:
    """Whose mailbox the actor may export. Raises UserUnknown, NotPermitted, FeatureOff."""
    if actor.role == Role.USER:
        if str(actor) != address.lower():
            raise UserUnknown(address)
        user = actor
    else:
        user = selectors.user_for(actor, address)
    require_leave(actor, user)
    return user


def require_room(user: User) -> None:
    """Raises NoRoomForExport: packed it is smaller, but how much smaller nobody knows."""
    usage = AccountUsage.objects.filter(account=user).first()
    room = free_space(Path(settings.MAILHOST_DATA))
    if room.free_bytes - (usage.bytes if usage is not None else 0) < room.floor_bytes:
        raise NoRoomForExport(str(user))


def forget_old(*, now: datetime) -> int:
    """Remove the files after their days; how many."""
    oldest = (now - KEPT).timestamp()
    forgotten = 0
    for path in _folder().glob("*mailbox-*"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
            forgotten += 1
    return forgotten


def _jobs(actor: User, user: User) -> QuerySet[Job]:
    rows = Job.objects.filter(kind=KIND, actor_id=actor.pk, arguments__account=user.pk)
    return rows.order_by("-id")


def _file_of(row: Job) -> Path | None:
    path = _path(row.pk)
    return path if row.state == State.DONE and path.is_file() else None


def _reason(row: Job, user: User) -> str:
    """Any other error is for the operator."""
    no_room = str(NoRoomForExport(str(user)))
    return no_room if row.error.startswith(no_room) else ""


def _drop_older(by: User, user: User, job_id: int) -> None:
    """Of one mailbox nobody has two files."""
    for row in _jobs(by, user).filter(pk__lt=job_id, state=State.DONE):
        _path(row.pk).unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _path(job_id: int) -> Path:
    return _folder() / f"mailbox-{job_id}.zip"


def _folder() -> Path:
    return Path(settings.MAILHOST_DATA) / "exports"
