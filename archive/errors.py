"""What the archive refuses, as facts with fields."""

from __future__ import annotations

from dataclasses import dataclass

from domains.errors import Refused


@dataclass(eq=False)
class ArchivedUnknown(Refused):
    """The archive has no such message, or not for this actor."""

    key: str

    def __str__(self) -> str:
        return f"the archive has no message {self.key}"


@dataclass(eq=False)
class NothingToExport(Refused):
    """Neither messages nor anything to search for were named."""

    def __str__(self) -> str:
        return "choose messages, or say what to search for"


@dataclass(eq=False)
class ExportGone(Refused):
    """It is not finished, was removed after its days, or is not the actor's."""

    job_id: int

    def __str__(self) -> str:
        return f"there is no file of export {self.job_id}"
