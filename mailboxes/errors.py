"""What the rooms of mail raise: facts with fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domains.errors import Refused


class MailboxError(Exception):
    """Something about folders, messages or room; each subclass states which fact."""


class QuotaScope(StrEnum):
    """Whose room is used up."""

    ACCOUNT = "account"
    DOMAIN = "domain"
    PLAN = "plan"
    SERVER = "server"


class QuotaExceeded(MailboxError):
    """The message does not fit into the mailbox (U-013), its domain (D-082), or what a plan or
    the server may have (X-011).
    """

    def __init__(self, scope: QuotaScope, *, allowed: int, used: int, needed: int) -> None:
        super().__init__(f"{scope} is full: {used} of {allowed} bytes used, {needed} more needed")
        self.scope = scope
        self.allowed = allowed
        self.used = used
        self.needed = needed


class FolderNotFound(MailboxError):
    """The account has no such folder (any more)."""

    def __init__(self, name: str = "") -> None:
        super().__init__(f"no folder {name!r}" if name else "no such folder")
        self.name = name


class FolderExists(MailboxError):
    """The name is taken."""

    def __init__(self, name: str) -> None:
        super().__init__(f"folder {name!r} exists")
        self.name = name


class FolderNameInvalid(MailboxError):
    """A folder cannot have this name; `reason` says why, for people."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"folder name {name!r}: {reason}")
        self.name = name
        self.reason = reason


class FolderProtected(MailboxError):
    """INBOX cannot be deleted, and nothing can take its place."""

    def __init__(self, name: str) -> None:
        super().__init__(f"folder {name!r} must stay")
        self.name = name


class FolderLimitReached(MailboxError):
    """An account has at most so many folders or subscriptions."""

    def __init__(self, allowed: int) -> None:
        super().__init__(f"at most {allowed} folders")
        self.allowed = allowed


class KeywordsRefused(MailboxError):
    """Too many keywords, or one that is too long or not an atom."""


class MaildropLocked(MailboxError):
    """Another POP3 session has the maildrop open. RFC 1939 §8."""

    def __init__(self, session: int = 0) -> None:
        super().__init__(f"session {session} has the maildrop open")
        self.session = session


@dataclass(eq=False)
class ExportGone(Refused):
    """It is not finished, was removed after its days, or is not the actor's."""

    job_id: int

    def __str__(self) -> str:
        return f"there is no file of export {self.job_id}"


@dataclass(eq=False)
class NoRoomForExport(Refused):
    """The server's disk would be too full with a copy of the mailbox."""

    address: str

    def __str__(self) -> str:
        return f"the server has no room for a copy of the mailbox of {self.address}"
