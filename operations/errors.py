"""What the services of operations refuse, as facts with fields."""

from __future__ import annotations

from dataclasses import dataclass

from domains.errors import Refused


@dataclass(eq=False)
class NetworkMalformed(Refused):
    """The text is neither an IP address nor a network in CIDR form."""

    text: str

    def __str__(self) -> str:
        return f"{self.text!r} is neither an address nor a network such as 192.0.2.0/24"


@dataclass(eq=False)
class NetworkTooWide(Refused):
    """Listing it would let half of the Internet relay (G-041)."""

    network: str

    def __str__(self) -> str:
        return f"{self.network} is too wide: it would make an open relay"
