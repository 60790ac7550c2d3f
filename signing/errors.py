"""Why a verb on signing keys was refused: facts with fields, below `domains.errors.Refused`."""

from __future__ import annotations

from dataclasses import dataclass

from domains.errors import Refused


@dataclass(eq=False)
class KeyUnknown(Refused):
    """The domain has no key with this selector."""

    selector: str

    def __str__(self) -> str:
        return f"the domain has no signing key {self.selector}"


@dataclass(eq=False)
class KeysWaiting(Refused):
    """New keys are there already: their records must come first."""

    name: str

    def __str__(self) -> str:
        return f"{self.name} has new signing keys already, whose records are not in DNS yet"
