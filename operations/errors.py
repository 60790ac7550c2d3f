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


@dataclass(eq=False)
class OwnNetwork(Refused):
    """It has addresses of this server, of loopback, or of the whitelist (M-046)."""

    network: str
    contains: str

    def __str__(self) -> str:
        return f"{self.network} contains {self.contains}, which is never blocked"


@dataclass(eq=False)
class ServiceFailed(Refused):
    """It was told to start or stop, and could not: `failures` are (node, reason) pairs."""

    service: str
    failures: tuple[tuple[int, str], ...]

    def __str__(self) -> str:
        where = "; ".join(f"node {node}: {reason}" for node, reason in self.failures)
        return f"{self.service} did not follow ({where})"


@dataclass(eq=False)
class ConnectionUnknown(Refused):
    """It has ended, or the actor may not see it."""

    def __str__(self) -> str:
        return "there is no such connection any more"


@dataclass(eq=False)
class NotYetYourTurn(Refused):
    """The account is being guessed at: this try is looked at in `seconds` (M-064)."""

    token: str
    seconds: int

    def __str__(self) -> str:
        return f"try again in {self.seconds} seconds"
