"""Runs a file: settings of the server, then each domain in its own transaction, then gateways."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.db import transaction

from accounts.secrets import Undecipherable
from domains.errors import Refused
from events.audit import Actor
from mailhost.provisioning.domainplan import plan_domain
from mailhost.provisioning.entries import FileEntry
from mailhost.provisioning.nodes import Place, Problem
from mailhost.provisioning.plan import Impossible
from mailhost.provisioning.steps import Choices, Mark, Step
from mailhost.provisioning.systemplan import plan_gateways, plan_system

Tell = Callable[[Step], None]
TOP = Place(1, 1)


@dataclass(slots=True)
class Outcome:
    """What came of a file. A part with a problem changed nothing; the others did."""

    steps: int = 0
    problems: list[Problem] = field(default_factory=list)


def apply(
    file: FileEntry,
    choices: Choices,
    *,
    by: Actor | None,
    tell: Tell,
    advance: Callable[[], None] = lambda: None,
) -> Outcome:
    """`tell` gets each step that was made; `advance` is called after each domain."""
    outcome = Outcome()
    _part(outcome, choices, tell, TOP, lambda: plan_system(file, choices, by))
    for entry in file.domains:
        _part(outcome, choices, tell, entry.place, lambda e=entry: plan_domain(e, choices, by))  # type: ignore[misc]
        advance()
    _part(outcome, choices, tell, TOP, lambda: plan_gateways(file, choices, by))
    return outcome


def _part(
    outcome: Outcome,
    choices: Choices,
    tell: Tell,
    place: Place,
    plan: Callable[[], Iterable[Step]],
) -> None:
    """One transaction. The plan is made before it, as hashing passwords takes its time."""
    try:
        steps = list(plan())
        if not steps:
            return
        with transaction.atomic():
            for step in steps:
                place = step.place or place
                if step.run is not None:
                    step.run()
            if choices.is_dry_run:
                transaction.set_rollback(True)
    except Impossible as error:
        outcome.problems.append(Problem(error.place, str(error)))
    except (Refused, Undecipherable) as error:
        outcome.problems.append(Problem(place, str(error)))
    else:
        outcome.steps += sum(step.mark is not Mark.WARN for step in steps)
        for step in steps:
            tell(step)
