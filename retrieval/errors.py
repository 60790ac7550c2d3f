"""What the services of retrieval refuse, and why a run stops: facts with fields."""

from __future__ import annotations

from dataclasses import dataclass

from domains.errors import Refused


@dataclass(eq=False)
class RetrievalUnknown(Refused):
    """There is no such account, or not for this actor."""

    number: int

    def __str__(self) -> str:
        return f"there is no retrieval account {self.number}"


@dataclass(eq=False)
class NotFetchable(Refused):
    """It cannot be fetched from just now: it is off, or something above it is."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} is not fetched from: {self.reason}"


@dataclass(eq=False)
class TriedTooOften(Refused):
    """Who tries accounts out makes this server talk to others; so often it may not."""

    most: int
    minutes: int

    def __str__(self) -> str:
        return f"no more than {self.most} log-ins are tried in {self.minutes} minutes"

    @property
    def wait(self) -> int:
        """Seconds after which it may be tried again for sure."""
        return self.minutes * 60


class Paused(Exception):
    """Something here keeps mail from being fetched now; the words are for the user.

    No failure of the account: nothing is wrong with it, and the next run tries again.
    """


class ClaimLost(Exception):
    """The account was changed, disabled or removed, or another process has taken it over."""


class FetchedAlready(Exception):
    """The message is on record as fetched; nothing was taken in."""
