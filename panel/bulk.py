"""Actions on several rows: each is authorised and changed singly, then what came of it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from domains.errors import Refused
from jobs.models import Job
from panel import notices, refusals
from panel.notices import Undo

R = TypeVar("R")

MOST_REFUSALS_SHOWN = 10


@dataclass(slots=True)
class Outcome(Generic[R]):
    """`refused`: a sentence for each row that stays as it was."""

    done: list[R] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def each(chosen: Iterable[R], change: Callable[[R], object]) -> Outcome[R]:
    """A refusal does not stop the rest (X-006)."""
    outcome: Outcome[R] = Outcome()
    for row in chosen:
        try:
            change(row)
        except Refused as error:
            outcome.refused.append(f"{row}: {refusals.words(error)}")
        else:
            outcome.done.append(row)
    return outcome


def tell(
    request: HttpRequest, verb: str, outcome: Outcome[R], plural: str, *, undo: Undo | None = None
) -> None:
    """`verb`: "Disabled"; `plural`: what several of the rows are called."""
    done, refused = outcome.done, outcome.refused
    if done:
        what = str(done[0]) if len(done) == 1 else f"{len(done):,} {plural}"
        notices.done(request, f"{verb} {what}.", undo=undo)
    if refused:
        shown = "\n".join(refused[:MOST_REFUSALS_SHOWN])
        more = len(refused) - MOST_REFUSALS_SHOWN
        notices.failed(request, shown + (f"\n… and {more:,} more." if more > 0 else ""))


def follow(request: HttpRequest, job: Job, count: int, plural: str) -> HttpResponse:
    """Very many rows: the page of the job says how far it is."""
    notices.done(request, f"It goes on with {count:,} {plural} while you go on.")
    return redirect("panel:job", job.pk)
