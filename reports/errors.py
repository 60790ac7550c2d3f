"""What the reports' room may refuse."""

from __future__ import annotations

from dataclasses import dataclass

from domains.errors import Refused


@dataclass(eq=False)
class ReportUnknown(Refused):
    kind: str

    def __str__(self) -> str:
        return f"there is no report {self.kind}"


@dataclass(eq=False)
class ScheduleUnknown(Refused):
    number: int

    def __str__(self) -> str:
        return f"there is no mailed report {self.number}"
