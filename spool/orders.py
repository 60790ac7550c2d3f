"""An operator's verb as a value: carried out at once, or written down for a job."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from accounts.models import User
from events.audit import Actor
from spool import deleting, holding, services
from spool.changing import AT_ONCE, Course, Done
from spool.models import Origin
from spool.selection import ANYTHING, Selection, SpoolFilter, Status
from spool.ways import Way

# Ids grow from 1 on.
_NO_MESSAGE = 0


class Kind(StrEnum):
    FORCE = "force"
    RESET = "reset"
    PRIORITY = "priority"
    WAY = "way"
    HOLD = "hold"
    QUARANTINE = "quarantine"
    RELEASE = "release"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Order:
    """What to do, with what it needs.

    `priority` None: by the rules; `reason` is for holding and quarantine, `way` as `Way.encode`
    writes it.
    """

    kind: Kind
    priority: int | None = None
    reason: str = ""
    way: str = ""

    def carry_out(
        self, *, selection: Selection, by: Actor | None, now: datetime, course: Course = AT_ONCE
    ) -> Done:
        """Raises what the verb does, before the first message is touched."""
        match self.kind:
            case Kind.FORCE:
                return services.force(selection=selection, by=by, now=now, course=course)
            case Kind.RESET:
                return services.reset_retries(selection=selection, by=by, now=now, course=course)
            case Kind.PRIORITY:
                return services.set_priority(
                    selection=selection, priority=self.priority, by=by, now=now, course=course
                )
            case Kind.WAY:
                way = Way.parse(self.way)
                return services.change_way(
                    selection=selection, way=way, by=by, now=now, course=course
                )
            case Kind.HOLD:
                return holding.hold(
                    selection=selection, reason=self.reason, by=by, now=now, course=course
                )
            case Kind.QUARANTINE:
                return holding.quarantine(
                    selection=selection, reason=self.reason, by=by, now=now, course=course
                )
            case Kind.RELEASE:
                return holding.release(selection=selection, by=by, now=now, course=course)
            case Kind.DELETE:
                return deleting.delete(selection=selection, by=by, now=now, course=course)

    def require_sound(self, *, actor: User | None, now: datetime) -> None:
        """Raises what carrying it out would, without doing anything."""
        nothing = Selection.of([_NO_MESSAGE], actor=actor)
        self.carry_out(selection=nothing, by=actor, now=now)


def plain_selection(selection: Selection) -> dict[str, Any]:
    """What JSON can hold; without the actor, who is known otherwise."""
    if selection.ids:
        return {"ids": list(selection.ids)}
    if selection.is_all:
        return {"is_all": True}
    found = {
        name: value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in asdict(selection.filter).items()
        if value != getattr(ANYTHING, name)
    }
    return {"filter": found}


def read_selection(plain: dict[str, Any], *, actor: User | None) -> Selection:
    """Raises NotPermitted where the actor may not mean all mail (any more)."""
    if plain.get("ids"):
        return Selection.of(plain["ids"], actor=actor)
    if plain.get("is_all"):
        return Selection.everything(actor=actor)
    given = dict(plain["filter"])
    for name in ("older_than", "younger_than"):
        if name in given:
            given[name] = timedelta(seconds=given[name])
    if "status" in given:
        given["status"] = Status(given["status"])
    if "origin" in given:
        given["origin"] = Origin(given["origin"])
    if "words" in given:
        given["words"] = tuple(given["words"])
    return Selection.matching(SpoolFilter(**given), actor=actor)
