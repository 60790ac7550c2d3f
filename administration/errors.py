"""Why something cannot be taken back, restored or renamed, as facts with fields."""

from __future__ import annotations

from dataclasses import dataclass

from domains.errors import Refused


@dataclass(eq=False)
class EntryUnknown(Refused):
    """There is no such entry or operation in the audit trail, or not for this actor."""

    name: str

    def __str__(self) -> str:
        return f"the audit trail has no entry {self.name}"


@dataclass(eq=False)
class CannotUndo(Refused):
    """What the entry tells of has no way back, whatever the state is."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class MovedOn(Refused):
    """Somebody has changed the same thing since; undoing would take that back, too."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.what} was changed again since: it was set to {self.expected}"
            f" and is {self.found} now"
        )


@dataclass(eq=False)
class GoneSince(Refused):
    """What was changed does not exist any more."""

    what: str

    def __str__(self) -> str:
        return f"{self.what} does not exist any more"


@dataclass(frozen=True, slots=True)
class Conflict:
    """One entry that is in the way of undoing an operation."""

    entry_id: int
    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


@dataclass(eq=False)
class UndoRefused(Refused):
    """Nothing was undone: these entries are in the way."""

    conflicts: tuple[Conflict, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.conflicts))


class NothingToUndo(Refused):
    """All is as it was before the operation already."""

    def __str__(self) -> str:
        return "everything is as it was before already"


@dataclass(eq=False)
class DomainInUse(Refused):
    """The domain cannot be renamed now; nothing was changed."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} cannot be used: {self.reason}"


@dataclass(eq=False)
class RenameRefused(Refused):
    """Nothing was renamed: all of these are in the way."""

    conflicts: tuple[Refused, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.conflicts))


@dataclass(eq=False)
class NotDelivered(Refused):
    """The spool did not take the message for the mailbox."""

    address: str
    reason: str

    def __str__(self) -> str:
        return f"{self.address} does not take it: {self.reason}"
