"""Taking back an operation of very many entries: in pieces, so that others can write meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import transaction

from accounts.models import User
from administration import selectors, undo
from administration.bulkjobs import MOST_REFUSALS_KEPT, actor_of
from administration.errors import Conflict
from administration.undo import Undone
from domains.errors import Refused
from events import audit
from events.models import AuditEntry
from jobs import services as jobs
from jobs.kinds import job
from jobs.models import Job
from jobs.progress import Progress

# A second or two of work, in one transaction.
MOST_AT_ONCE = 200
PIECE = 50


@job("undo-operation", "Undo a large change")
def undo_operation(
    progress: Progress, *, entry: int, last: int, skip_conflicts: bool, reason: str = ""
) -> dict[str, Any]:
    """The latest entry first. Where one cannot be taken back and the rest is not wanted alone,
    what was taken back so far is set again.

    Begun again it passes over what is taken back already: that stands in the trail.
    """
    actor = actor_of(progress)
    entries = [one for one in selectors.operation_for(actor, entry=entry) if one.pk <= last]
    with audit.because(reason):
        conflicts = _Conflicts()
        back = _Way(progress, actor, f"job-{progress.job_id}", conflicts)
        done = back.go(entries, is_to_stop=not skip_conflicts)
        if conflicts.count and not skip_conflicts:
            progress.note("Nothing is undone: something stands in the way. Setting it again.")
            again = _Way(progress, actor, f"job-{progress.job_id}-back", conflicts)
            again.go(back.made(), is_to_stop=False)
            done = 0
    return {"undone": done, "refused": conflicts.count, "results": conflicts.first}


def undo_or_start(
    entries: Sequence[AuditEntry], *, by: User, skip_conflicts: bool = False, reason: str = ""
) -> Undone | Job:
    """At once and all or none of it; very many entries by a job.

    Raises UndoRefused, NothingToUndo.
    """
    if len(entries) <= MOST_AT_ONCE:
        with audit.because(reason):
            return undo.undo(entries, by=by, skip_conflicts=skip_conflicts)
    return jobs.start(
        undo_operation,
        by=by,
        total=len(entries),
        entry=entries[0].pk,
        last=max(entry.pk for entry in entries),
        skip_conflicts=skip_conflicts,
        reason=reason,
    )


class _Conflicts:
    """All are counted, the first are kept."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[dict[str, Any]] = []

    def add(self, conflict: Conflict) -> None:
        self.count += 1
        if len(self.first) < MOST_REFUSALS_KEPT:
            facts = {"entry": conflict.entry_id, "what": conflict.what, "reason": conflict.reason}
            self.first.append(facts)


class _Way:
    """One way through entries, under the name of an operation of its own."""

    def __init__(self, progress: Progress, by: User, operation: str, conflicts: _Conflicts) -> None:
        self._progress = progress
        self._by = by
        self._operation = operation
        self._conflicts = conflicts

    def made(self) -> list[AuditEntry]:
        """The entries that going has made so far."""
        rows = AuditEntry.objects.filter(operation=self._operation, undoes__isnull=False)
        return list(rows.order_by("pk"))

    def go(self, entries: Sequence[AuditEntry], *, is_to_stop: bool) -> int:
        """How many are as they were. Raises JobStopped between two pieces."""
        over = {one.undoes for one in self.made()}
        done = len(over)
        self._progress.report(done, len(entries))
        waiting = sorted(
            (one for one in entries if one.pk not in over), key=lambda one: one.pk, reverse=True
        )
        for piece in _pieces(waiting):
            before = self._conflicts.count
            with transaction.atomic():
                done += sum(map(self._take_back, piece))
            words = f"{done:,} of {len(entries):,} undone"
            if is_to_stop and self._conflicts.count > before:
                break
            self._progress.report(done, len(entries), words)
        return done

    def _take_back(self, entry: AuditEntry) -> bool:
        try:
            return undo.take_back(entry, by=self._by, operation=self._operation)
        except Refused as error:
            self._conflicts.add(undo.conflict_of(entry, error))
            return False


def _pieces(entries: Sequence[AuditEntry]) -> Iterator[Sequence[AuditEntry]]:
    for start in range(0, len(entries), PIECE):
        yield entries[start : start + PIECE]
