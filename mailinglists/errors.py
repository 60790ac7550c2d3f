"""What the services of mailing lists refuse, as facts with fields; doors put them into words."""

from __future__ import annotations

from dataclasses import dataclass

from domains.errors import Refused


@dataclass(eq=False)
class ListUnknown(Refused):
    """There is no such list, or not for this actor."""

    address: str

    def __str__(self) -> str:
        return f"there is no mailing list {self.address}"


@dataclass(eq=False)
class SubscriberUnknown(Refused):
    """The address is not on the list, or the list is out of sight."""

    address: str

    def __str__(self) -> str:
        return f"{self.address} is not on the list"


@dataclass(eq=False)
class HeldPostUnknown(Refused):
    """No such post waits: somebody may have let it go out or refused it."""

    post_id: int

    def __str__(self) -> str:
        return "the post does not wait any more"


@dataclass(eq=False)
class ModeratorUnknown(Refused):
    """A moderator would be nobody of the list's domain (L-011)."""

    username: str

    def __str__(self) -> str:
        return f"{self.username} is no user of the domain"


@dataclass(eq=False)
class PatternMalformed(Refused):
    """The text is neither an address nor @domain."""

    pattern: str

    def __str__(self) -> str:
        return f"{self.pattern!r} is neither an address nor @domain"


@dataclass(eq=False)
class SubscriptionsClosed(Refused):
    """Nobody may subscribe by himself (L-031)."""

    address: str

    def __str__(self) -> str:
        return f"{self.address} takes no subscriptions by mail"


@dataclass(eq=False)
class TokenRefused(Refused):
    """The word is not one of ours, was used already, or is too old (L-038)."""

    def __str__(self) -> str:
        return "this was used already, is too old or was not made by this server"


@dataclass(eq=False)
class FileRefused(Refused):
    """The file as a whole cannot be read."""

    reason: str

    def __str__(self) -> str:
        return self.reason
