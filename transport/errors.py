"""What the services of transport security refuse."""

from __future__ import annotations

from dataclasses import dataclass

from domains.errors import Refused


@dataclass(eq=False)
class OverrideUnknown(Refused):
    """The destination has no exception."""

    destination: str

    def __str__(self) -> str:
        return f"there is no TLS policy override for {self.destination}"
