"""What writing to many users may refuse."""

from __future__ import annotations

from dataclasses import dataclass

from domains.errors import Refused


@dataclass(eq=False)
class SendingUnknown(Refused):
    number: int

    def __str__(self) -> str:
        return f"there is no sending {self.number}"


@dataclass(eq=False)
class WrongState(Refused):
    """Somebody was faster, or it has ended."""

    word: str

    def __str__(self) -> str:
        return f"it cannot be {self.word} as it stands"


class StillStopping(Refused):
    def __str__(self) -> str:
        return "it is still stopping; try again in a moment"
