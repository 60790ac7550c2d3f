"""Many archived messages as one file: made by a job, fetched by whoever asked for it (A-017)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts import permissions
from accounts.models import User
from archive import searching
from archive.engine import Archived, Criteria
from archive.errors import ArchivedUnknown, ExportGone, NothingToExport
from clock.moments import from_micros, to_micros
from jobs import services
from jobs.kinds import Kind
from jobs.models import Job, State
from jobs.progress import Progress
from protocols.message import mbox

KIND = "archive-export"
KEPT = timedelta(days=7)
PAGE = 200
SHOWN = 10  # of the latest exports


class Format(StrEnum):
    ZIP = "zip"  # one .eml for each message
    MBOX = "mbox"  # one file, as RFC 4155 and mboxrd have it


@transaction.atomic
def start(
    actor: User, *, kind: Kind, format_: Format, keys: Sequence[str] = (), criteria: Criteria
) -> Job:
    """Of these messages; without any, of all that fit the criteria.

    Raises NotPermitted, NothingToExport, ArchivedUnknown for a message out of sight.
    """
    permissions.require_sight_of_mail(actor)
    criteria = searching.within_sight(actor, criteria)
    if not keys and criteria.is_empty:
        raise NothingToExport
    for key in keys:
        searching.message(actor, key)
    searching.record_export(actor, criteria, chosen=len(keys))
    return services.start(
        kind,
        by=actor,
        domain_id=criteria.domain_id,
        total=len(keys) or None,
        format=format_.value,
        keys=list(keys),
        criteria=_plain(criteria),
    )


def run(progress: Progress, *, format: str, keys: list[str], criteria: dict[str, Any]) -> Any:
    """The file is written anew when the job is begun again. Raises JobStopped."""
    actor = User.objects.select_related("domain").get(pk=progress.actor_id or 0)
    path = _path(progress.job_id, Format(format))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(".part")
    progress.report(0)
    write = _write_zip if format == Format.ZIP else _write_mbox
    try:
        with part.open("wb") as file:
            write(file, _messages(progress, actor, keys, _criteria(criteria)))
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return {"messages": progress.done, "bytes": path.stat().st_size}


def latest(actor: User) -> list[Job]:
    """The actor's own, newest first."""
    return list(Job.objects.filter(kind=KIND, actor_id=actor.pk).order_by("-id")[:SHOWN])


def file_of(actor: User, job_id: int) -> Path:
    """What the job has made, for whoever asked for it and may still search. Raises ExportGone."""
    job = Job.objects.filter(pk=job_id, kind=KIND, actor_id=actor.pk, state=State.DONE).first()
    if job is None or not searching.is_open_for(actor):
        raise ExportGone(job_id)
    permissions.require_sight_of_mail(actor)
    path = _path(job_id, Format(job.arguments["format"]))
    if not path.is_file():
        raise ExportGone(job_id)
    return path


def forget_old(*, now: datetime) -> int:
    """Remove the files after their days; how many."""
    oldest = (now - KEPT).timestamp()
    old = [path for path in _folder().glob("*") if path.stat().st_mtime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _messages(
    progress: Progress, actor: User, keys: Sequence[str], criteria: Criteria
) -> Iterator[tuple[Archived, bytes]]:
    """What the actor may still see when the job comes to it."""
    for key in keys or _all_keys(actor, criteria):
        try:
            yield searching.read(actor, key)
        except ArchivedUnknown:
            progress.note(f"Message {key} is not in the archive any more.")
        progress.advance()


def _all_keys(actor: User, criteria: Criteria) -> Iterator[str]:
    cursor = ""
    while True:
        found = searching.search(actor, criteria, cursor=cursor, limit=PAGE)
        yield from (row.key for row in found.rows)
        cursor = found.cursor
        if not cursor:
            return


def _write_zip(file: Any, messages: Iterator[tuple[Archived, bytes]]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for row, content in messages:
            made.writestr(f"{row.key}.eml", content)


def _write_mbox(file: Any, messages: Iterator[tuple[Archived, bytes]]) -> None:
    for row, content in messages:
        quoter = mbox.Quoter()
        file.write(mbox.separator(row.sender, row.at.timestamp()))
        file.write(quoter.feed(mbox.without_marks(content)) + quoter.finish())


def _plain(criteria: Criteria) -> dict[str, Any]:
    values = asdict(criteria)
    for name in ("since", "before"):
        if values[name] is not None:
            values[name] = to_micros(values[name])
    return values


def _criteria(values: dict[str, Any]) -> Criteria:
    moments = {
        name: from_micros(values[name]) if values[name] is not None else None
        for name in ("since", "before")
    }
    return Criteria(**{**values, **moments})


def _path(job_id: int, format_: Format) -> Path:
    return _folder() / f"archive-{job_id}.{format_.value}"


def _folder() -> Path:
    return Path(settings.MAILHOST_DATA) / "exports"
