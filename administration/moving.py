"""Moving the folder of a domain to another place while its mail is read and written (D-034).

Mail that comes meanwhile waits in the spool's segments as always; sessions read on, first in the
old place and then in the new one. Rows of mailboxes are not touched: UIDs and flags stay.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from blobs import holding, keeping, reading, relocating
from blobs.errors import StoreError
from blobs.holding import AreaBusy
from blobs.models import Area
from blobs.space import free_space
from domains import folders
from domains import moving as of_domains
from domains.errors import FolderInMove, FolderMovedOn, FolderRefused, Refused
from domains.models import Domain, FolderMove
from domains.moving import Move
from events.audit import Actor
from jobs.errors import JobCancelled, JobStopped
from jobs.models import ENDED, Job
from jobs.progress import Progress
from mailboxes import index, manifest
from units import sizes

log = structlog.get_logger()

# How long those who write into the folder, such as a compaction, may take in all; each try holds
# up new writers for no longer than a moment.
PATIENCE_SECONDS = 600.0
TRY_SECONDS = 5.0
# A worker that is silent for so long is taken for dead by others.
TAKEN_OVER_SECONDS = 60.0
# A command takes its place first, and begins then.
GRACE = timedelta(seconds=60)
# What is brought while writers wait; they bring it about a second behind.
SMALL_BYTES = 96 << 20
MOST_PASSES = 10
LOOK_AGAIN_SECONDS = 0.2
OURS = frozenset(
    {
        manifest.NAME, manifest.FOUND, manifest.IMPORTED,
        index.NAME, index.FOUND, index.IMPORTED,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moved:
    """`held_seconds`: how long nothing was settled into the folder."""

    old: str
    new: str
    size_bytes: int
    files: int
    left: int
    held_seconds: float


def run(progress: Progress, move: Move, *, by: Actor | None) -> Moved:
    """Begun again after a crash it goes on where that leaves it.

    Raises Refused and JobCancelled: then the folder is where it was, and the new place is empty.
    Raises JobStopped at the end of the server: all stays for the next run.
    """
    with _alone(progress, move):
        try:
            is_over = of_domains.is_switched(move)
            held_seconds = 0.0 if is_over else _bring_and_switch(progress, move, by)
        except JobStopped as error:
            if isinstance(error, JobCancelled):
                give_up(move)
            raise
        except (AreaBusy, StoreError) as error:
            give_up(move)
            raise _told(progress, FolderRefused(move.new_path, str(error))) from error
        except OSError as error:
            give_up(move)
            reason = error.strerror or "it cannot be written"
            raise _told(progress, FolderRefused(move.new_path, reason)) from error
        except Refused as error:
            give_up(move)
            raise _told(progress, error) from None
        return _finish(progress, move, held_seconds=held_seconds)


def give_up(move: Move) -> None:
    """Whatever was brought goes, and the new place is free again.

    Of a domain that was deleted meanwhile neither place holds: its folder is in the trash.
    """
    if not of_domains.is_begun(move):
        return
    area = of_domains.area_of(move)
    is_deleted = area is None or area.path not in (move.old_path, move.new_path)
    if is_deleted and area is not None and not _is_in_trash(area):
        return  # it is about to go there, as a whole: the next look finds what stays
    source = area.directory if is_deleted and area is not None else move.source
    for place in (move.goal, move.source) if is_deleted else (move.goal,):
        try:
            relocating.take_back(place, source=source, ours=OURS)
        except OSError as error:
            log.error("files of a move not removed", path=str(place), reason=error.strerror)
    of_domains.end(move)


def _is_in_trash(area: Area) -> bool:
    return area.directory.is_dir() or not area.segments.exists()


def mend(*, now: datetime) -> int:
    """End moves whose process died and is not begun again; how many."""
    mended = 0
    for row in FolderMove.objects.filter(begun_at__lt=now - GRACE):
        if row.job_id is not None and Job.objects.filter(pk=row.job_id).exclude(state__in=ENDED):
            continue
        with of_domains.alone(row.domain_id) as is_free:
            if is_free and FolderMove.objects.filter(pk=row.pk, new_path=row.new_path).exists():
                _mend(of_domains.of_row(row))
                mended += 1
    return mended


def _mend(move: Move) -> None:
    try:
        is_switched = of_domains.is_switched(move)
    except Refused:
        is_switched = False
    log.warning("an unfinished move was ended", domain=move.name, is_switched=is_switched)
    if is_switched:
        try:
            _empty_old_place(move)
        except OSError as error:
            log.error("files of a move not removed", path=move.old_path, reason=error.strerror)
            of_domains.end(move)
    else:
        give_up(move)


def _empty_old_place(move: Move) -> int:
    """How many files are not of this server, and stay."""
    left = relocating.drop(move.source, other=move.goal)
    area = of_domains.area_of(move)
    if area is not None and area.path == move.new_path:
        of_domains.end(move)
        return left
    give_up(move)  # deleted just now, and its folder with all that was compared
    return 0


@contextmanager
def _alone(progress: Progress, move: Move) -> Iterator[None]:
    """A worker that was taken for dead leaves as soon as it learns of that. Raises FolderInMove."""
    deadline = time.monotonic() + TAKEN_OVER_SECONDS
    while True:
        with of_domains.alone(move.domain_id) as is_free:
            if is_free:
                yield
                return
        if time.monotonic() > deadline:
            raise FolderInMove(move.name, move.new_path)
        progress.check()
        time.sleep(LOOK_AGAIN_SECONDS)


def _bring_and_switch(progress: Progress, move: Move, by: Actor | None) -> float:
    folders.require_unlinked(move.new_path)
    there = relocating.measure(move.source)
    watch = _Watch(progress, move, there.size_bytes)
    for _ in range(MOST_PASSES):
        if relocating.bring(move.source, move.goal, watch.begin()).size_bytes < SMALL_BYTES:
            break
    domain = Domain.objects.select_related("area").filter(pk=move.domain_id).first()
    if domain is None:
        raise FolderMovedOn(move.name)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        # A backup that is being made has the folder where it was when it began.
        with keeping.removing() as is_free:
            if is_free:
                try:
                    return _switch(move, domain.area, watch, by)
                except AreaBusy:
                    if time.monotonic() > deadline:
                        raise
        what = "those who write into the folder" if is_free else "a backup"
        progress.report(progress.done, words=f"It waits for the end of {what}")
        time.sleep(LOOK_AGAIN_SECONDS)


def _switch(move: Move, area: Area, watch: _Watch, by: Actor | None) -> float:
    """How long nobody could write into the folder. Raises AreaBusy."""
    with holding.held_alone(area, seconds=TRY_SECONDS):
        began = time.monotonic()
        if area.path == move.old_path:
            relocating.bring(move.source, move.goal, watch.begin(), is_last=True)
        of_domains.switch(move, by=by)
        return round(time.monotonic() - began, 2)


def _finish(progress: Progress, move: Move, *, held_seconds: float) -> Moved:
    """May be done twice."""
    reading.forget_all()
    left = 0
    if of_domains.is_begun(move):
        left = _empty_old_place(move)
    if left:
        progress.note(f"{left:,} files that are not of this server stay in {move.source}")
    there = relocating.measure(move.goal)
    domain = Domain.objects.select_related("area").filter(pk=move.domain_id).first()
    if domain is not None:
        try:
            manifest.write(domain)
        except (OSError, StoreError) as error:  # it is written again by who looks after it
            log.warning("manifest not written", domain=domain.name, reason=str(error))
    progress.note(f"The folder of {move.name} is {move.goal}")
    return Moved(move.old_path, move.new_path, there.size_bytes, there.files, left, held_seconds)


def _told(progress: Progress, error: Refused) -> Refused:
    """Whoever asked reads the notes; the traceback of a failed job is for the operator."""
    progress.note(f"Nothing was moved: {error}")
    return error


class _Watch:
    """Tells how far a pass is, and looks whether there is still room."""

    def __init__(self, progress: Progress, move: Move, total_bytes: int) -> None:
        self._progress = progress
        self._move = move
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._is_one = relocating.is_one_file_system(move.source, move.goal)

    def begin(self) -> relocating.Tell:
        self._done_bytes = 0
        return self._tell

    def _tell(self, size_bytes: int) -> None:
        self._done_bytes += size_bytes
        done = max(self._progress.done, min(self._done_bytes, self._total_bytes))
        words = f"{sizes.in_words(done)} of {sizes.in_words(self._total_bytes)}"
        self._progress.report(done, self._total_bytes, words)
        if not self._is_one and free_space(relocating.nearest(self._move.goal)).is_low:
            raise FolderRefused(self._move.new_path, "no room is left there")
