"""What the services of domains refuse, as facts with fields; doors put them into words."""

from __future__ import annotations

from dataclasses import dataclass


class Refused(Exception):
    """A service did nothing, for the reason that the subclass states."""


@dataclass(eq=False)
class NameMalformed(Refused):
    """The text is no name under which a domain could be hosted."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name!r} is not a domain name: {self.reason}"


@dataclass(eq=False)
class NameTaken(Refused):
    """A domain or a domain alias of this server has the name already (D-032, D-101)."""

    name: str

    def __str__(self) -> str:
        return f"{self.name} is a domain or a domain alias already"


@dataclass(eq=False)
class DomainUnknown(Refused):
    """There is no such domain, or not for this actor."""

    name: str

    def __str__(self) -> str:
        return f"there is no domain {self.name}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One value that cannot be taken."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(eq=False)
class ValuesRefused(Refused):
    """All values that cannot be taken, so that a form can mark every field at once."""

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.problems))


@dataclass(eq=False)
class LimitReached(Refused):
    """The ceiling has no room for more (D-080)."""

    limit: str
    allowed: int
    used: int

    def __str__(self) -> str:
        return f"the limit of {self.allowed} {self.limit.replace('_', ' ')} is reached"


@dataclass(eq=False)
class ServerFull(Refused):
    """What the whole server may have has no room for more (X-011); how much is not told: it
    would say how much its other customers have.
    """

    limit: str

    def __str__(self) -> str:
        return f"this server has no room for more {self.limit.replace('_', ' ')}"


@dataclass(eq=False)
class FolderRefused(Refused):
    """The folder cannot be the domain's (D-034)."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be the folder: {self.reason}"


@dataclass(eq=False)
class PortClaimed(Refused):
    """Another protocol has the port on the same IP address (D-049, N-003)."""

    field: str
    port: int
    claimed_by: str

    def __str__(self) -> str:
        return f"{self.field}: port {self.port} is taken by {self.claimed_by}"


@dataclass(eq=False)
class ChangedMeanwhile(Refused):
    """Somebody else saved first; nothing was overwritten (D-007)."""

    expected_version: int
    version: int

    def __str__(self) -> str:
        return "somebody else changed it meanwhile"


@dataclass(eq=False)
class DomainInRenaming(Refused):
    """The domain is getting another name just now."""

    name: str
    new_name: str

    def __str__(self) -> str:
        return f"{self.name} is being renamed just now"


@dataclass(eq=False)
class FolderInMove(Refused):
    """The folder of the domain is being moved just now."""

    name: str
    path: str

    def __str__(self) -> str:
        return f"the folder of {self.name} is being moved to {self.path} just now"


@dataclass(eq=False)
class FolderMovedOn(Refused):
    """The domain was renamed, deleted or moved while its folder was on its way; it stays there."""

    name: str

    def __str__(self) -> str:
        return f"the folder of {self.name} is not where it was any more"


@dataclass(eq=False)
class NameMovedOn(Refused):
    """Somebody else has renamed the domain meanwhile (D-111)."""

    expected: str
    name: str

    def __str__(self) -> str:
        return f"{self.expected} is called {self.name} now"
