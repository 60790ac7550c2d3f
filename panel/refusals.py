"""What services refuse, in the panel's words: one table from fact to sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from accounts import errors as of_accounts
from administration import errors as of_administration
from archive import errors as of_archive
from domains import errors as of_domains
from domains.claims import ClaimUnknown
from domains.errors import Refused
from domains.localparts import LocalPartMalformed
from jobs.errors import JobUnknown
from mailboxes.errors import ExportGone
from mailinglists import errors as of_lists
from messaging.errors import SendingUnknown
from operations import errors as of_operations
from operations.transcripts import TranscriptUnknown
from reports.errors import ReportUnknown, ScheduleUnknown
from retrieval.errors import RetrievalUnknown
from spool import errors as of_spool
from spool.lost import LostUnknown

# What one may not see answers as if it were not there: 404.
OUT_OF_SIGHT = (
    of_domains.DomainUnknown,
    ClaimUnknown,
    of_accounts.UserUnknown,
    of_accounts.AliasUnknown,
    of_accounts.PlanUnknown,
    JobUnknown,
    of_operations.ConnectionUnknown,
    TranscriptUnknown,
    of_spool.MessageUnknown,
    LostUnknown,
    SendingUnknown,
    ReportUnknown,
    ScheduleUnknown,
    RetrievalUnknown,
    of_lists.ListUnknown,
    of_lists.SubscriberUnknown,
    of_lists.HeldPostUnknown,
    of_archive.ArchivedUnknown,
    of_archive.ExportGone,
    ExportGone,
)
# What one sees but may not do: 403.
FORBIDDEN = (of_accounts.NotPermitted, of_accounts.FeatureOff)

SENTENCES: dict[type[Exception], Callable[[Any], str]] = {
    of_domains.NameMalformed: lambda e: f"“{e.name}” is not a domain name: {e.reason}.",
    of_domains.NameTaken: lambda e: f"{e.name} is a domain or a domain alias already.",
    of_domains.LimitReached: lambda e: (
        f"The limit of {e.allowed:,} {_counted(e.limit, e.allowed)} is reached ({e.used:,} in use)."
    ),
    of_domains.FolderRefused: lambda e: f"This folder cannot be used: {e.reason}.",
    of_domains.PortClaimed: lambda e: f"Port {e.port} is taken by {e.claimed_by}.",
    of_domains.ChangedMeanwhile: lambda e: (
        "Somebody else saved this page after you had opened it, so nothing of yours was saved. "
        "Open it anew in another tab to see what changed; what you entered is still here."
    ),
    of_domains.NameMovedOn: lambda e: f"{e.expected} has been renamed: it is {e.name} now.",
    of_domains.FolderInMove: lambda e: (
        f"The folder of {e.name} is being moved to {e.path} just now: wait until that has ended."
    ),
    of_administration.RenameRefused: lambda e: " ".join(map(words, e.conflicts)),
    of_accounts.LocalPartTaken: lambda e: (
        f"“{e.local_part}” is taken" + (f" by a {e.kind}." if e.kind else ".")
    ),
    of_accounts.PasswordRefused: lambda e: f"The password {' and '.join(e.reasons)}.",
    of_accounts.LastAdministrator: lambda e: (
        f"{e.address} is the last enabled administrator of the domain, and every domain needs one."
    ),
    of_accounts.FeatureOff: lambda e: (
        f"The feature “{e.feature.replace('_', ' ')}” is switched off for this domain, "
        "or withheld by its plan."
    ),
    of_accounts.TargetUnknown: lambda e: f"{e.target} leads nowhere: there is no such address.",
    of_accounts.TargetMalformed: lambda e: f"“{e.target}” cannot be used: {e.reason}.",
    of_accounts.AliasLoops: lambda e: f"This would go in a circle: {' → '.join(e.path)}.",
    of_accounts.UserUnknown: lambda e: f"There is no user {e.address}, or not for you.",
    of_accounts.CodeRefused: lambda e: "This code is wrong, was used before, or is too old.",
    of_accounts.TooManyTries: lambda e: (
        f"Too many wrong codes. Please wait {e.seconds:,} seconds before you try again."
    ),
    of_accounts.ReasonMissing: lambda e: "Say why: this server wants a reason for it.",
    of_accounts.StillOwner: lambda e: f"{e.name} still has domains: give them to somebody first.",
    of_accounts.NotPermitted: lambda e: "Your role does not include this.",
    of_operations.NetworkMalformed: lambda e: (
        f"“{e.text}” is neither an IP address nor a network such as 192.0.2.0/24."
    ),
    of_operations.OwnNetwork: lambda e: (
        f"{e.network} contains {e.contains}, which must not be locked out: it is this server, "
        "yourself, or on the whitelist."
    ),
    of_lists.ModeratorUnknown: lambda e: f"There is no user “{e.username}” in this domain.",
    of_lists.PatternMalformed: lambda e: f"“{e.pattern}” is neither an address nor @domain.",
    of_operations.ServiceFailed: lambda e: (
        f"{e.service} did not follow: "
        + "; ".join(f"machine {node}: {reason}" for node, reason in e.failures)
        + "."
    ),
}

# Which field of a form is to blame, whatever the form is; others blame the form as a whole.
FIELDS: dict[type[Exception], Callable[[Any], str]] = {
    of_domains.NameMalformed: lambda e: "name",
    of_domains.NameTaken: lambda e: "name",
    of_domains.FolderRefused: lambda e: "folder_path",
    of_domains.PortClaimed: lambda e: str(e.field),
    of_accounts.PasswordRefused: lambda e: "password",
    of_accounts.ReasonMissing: lambda e: "reason",
    of_accounts.LocalPartTaken: lambda e: "username",
    LocalPartMalformed: lambda e: "username",
    of_accounts.TargetUnknown: lambda e: "targets",
    of_accounts.TargetMalformed: lambda e: "targets",
    of_accounts.AliasLoops: lambda e: "targets",
    of_operations.NetworkMalformed: lambda e: "network",
    of_operations.OwnNetwork: lambda e: "network",
    of_lists.ModeratorUnknown: lambda e: "moderators",
}


def words(error: Exception) -> str:
    """A finished sentence."""
    sentence = SENTENCES.get(type(error))
    if sentence is not None:
        return sentence(error)
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def full(error: Exception | None) -> str:
    """Why nothing can be added, for the page that would; empty if something can."""
    if error is None:
        return ""
    return f"{words(error)} To add more, delete some or have the limit raised."


def _counted(limit: str, count: int) -> str:
    """`user_aliases` as it is said of so many."""
    name = limit.replace("_", " ")
    if count != 1:
        return name
    return name.removesuffix("es") if name.endswith("aliases") else name.removesuffix("s")


def problems(error: Exception) -> Iterator[tuple[str | None, str]]:
    """(field, sentence) for each thing that was wrong; a field of None means the whole form."""
    if isinstance(error, of_domains.ValuesRefused):
        for problem in error.problems:
            yield problem.field, f"{problem.reason[:1].upper()}{problem.reason[1:]}."
        return
    field = FIELDS.get(type(error))
    yield (field(error) if field else None), words(error)


__all__ = [
    "FIELDS", "FORBIDDEN", "OUT_OF_SIGHT", "SENTENCES", "Refused", "full", "problems", "words",
]  # fmt: skip
