"""Every IMAP command as a value. Names, states and parsers stand in verbs.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from protocols.imap.fetch import Wanted
from protocols.imap.search import Criteria
from protocols.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Capability:
    """CAPABILITY. RFC 3501 §6.1.1."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP. RFC 3501 §6.1.2."""


@dataclass(frozen=True, slots=True)
class Logout:
    """LOGOUT. RFC 3501 §6.1.3."""


@dataclass(frozen=True, slots=True)
class Id:
    """ID. RFC 2971. None: the client says nothing of itself."""

    fields: tuple[tuple[bytes, bytes | None], ...] | None


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS. RFC 3501 §6.2.1."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTHENTICATE. RFC 3501 §6.2.2; `initial` is the decoded initial response of RFC 4959."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Login:
    """LOGIN. RFC 3501 §6.2.3."""

    name: bytes
    password: bytes

    def __repr__(self) -> str:
        return f"Login(name={self.name!r})"


@dataclass(frozen=True, slots=True)
class Enable:
    """ENABLE. RFC 5161."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client already knows of a folder. RFC 7162 §3.2.5."""

    uidvalidity: int
    modseq: int
    known_uids: SequenceSet | None = None
    known_numbers: SequenceSet | None = None
    uids_of_known_numbers: SequenceSet | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT or EXAMINE. RFC 3501 §6.3.1, §6.3.2."""

    folder: str
    is_read_only: bool = False
    with_condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """CREATE. RFC 3501 §6.3.3; `uses` as `\\Drafts`, from RFC 6154 §3."""

    folder: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE. RFC 3501 §6.3.4."""

    folder: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RENAME. RFC 3501 §6.3.5."""

    folder: str
    new_name: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """SUBSCRIBE. RFC 3501 §6.3.6."""

    folder: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """UNSUBSCRIBE. RFC 3501 §6.3.7."""

    folder: str


class Selection(Enum):
    """Which folders LIST shows. RFC 5258 §3.1."""

    SUBSCRIBED = "SUBSCRIBED"
    REMOTE = "REMOTE"
    RECURSIVEMATCH = "RECURSIVEMATCH"
    SPECIAL_USE = "SPECIAL-USE"  # RFC 6154 §2


class Return(Enum):
    """What LIST says of a folder. RFC 5258 §3.2."""

    SUBSCRIBED = "SUBSCRIBED"
    CHILDREN = "CHILDREN"
    SPECIAL_USE = "SPECIAL-USE"


class StatusItem(Enum):
    """What STATUS counts. RFC 3501 §6.3.10, RFC 7162, RFC 8438, RFC 9051, RFC 7889."""

    MESSAGES = "MESSAGES"
    RECENT = "RECENT"
    UIDNEXT = "UIDNEXT"
    UIDVALIDITY = "UIDVALIDITY"
    UNSEEN = "UNSEEN"
    DELETED = "DELETED"
    SIZE = "SIZE"
    HIGHESTMODSEQ = "HIGHESTMODSEQ"
    APPENDLIMIT = "APPENDLIMIT"


@dataclass(frozen=True, slots=True)
class ListFolders:
    """LIST. RFC 3501 §6.3.8, RFC 5258; `status` asks for STATUS responses too (RFC 5819)."""

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[Selection] = frozenset()
    returns: frozenset[Return] = frozenset()
    status: tuple[StatusItem, ...] = ()
    is_extended: bool = False


@dataclass(frozen=True, slots=True)
class ListSubscribed:
    """LSUB. RFC 3501 §6.3.9."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS. RFC 3501 §6.3.10."""

    folder: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """APPEND up to its message, which follows in chunks. RFC 3501 §6.3.11.

    `internal_at` is None when the client leaves the date to the server.
    """

    folder: str
    flags: tuple[str, ...]
    internal_at: datetime | None
    size_bytes: int
    is_binary: bool = False  # literal8, RFC 3516 §4.4


@dataclass(frozen=True, slots=True)
class Namespace:
    """NAMESPACE. RFC 2342."""


@dataclass(frozen=True, slots=True)
class Idle:
    """IDLE, until a line DONE. RFC 2177."""


@dataclass(frozen=True, slots=True)
class GetQuota:
    """GETQUOTA. RFC 9208 §4.1.1."""

    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    """GETQUOTAROOT. RFC 9208 §4.1.2."""

    folder: str


@dataclass(frozen=True, slots=True)
class SetQuota:
    """SETQUOTA. RFC 9208 §4.1.3."""

    root: str
    limits: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Check:
    """CHECK. RFC 3501 §6.4.1."""


@dataclass(frozen=True, slots=True)
class Close:
    """CLOSE: expunge silently and leave the folder. RFC 3501 §6.4.2."""


@dataclass(frozen=True, slots=True)
class Unselect:
    """UNSELECT: leave the folder as it is. RFC 3691."""


@dataclass(frozen=True, slots=True)
class Expunge:
    """EXPUNGE, or UID EXPUNGE of `uids` only (RFC 4315 §2.1)."""

    uids: SequenceSet | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH. RFC 3501 §6.4.4. `returns` is None without RETURN (RFC 4731)."""

    criteria: Criteria
    by_uid: bool = False
    returns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    """SORT. RFC 5256; each order is a key and whether it is reversed."""

    orders: tuple[tuple[str, bool], ...]
    criteria: Criteria
    by_uid: bool = False
    returns: tuple[str, ...] | None = None  # RFC 5267


@dataclass(frozen=True, slots=True)
class Thread:
    """THREAD. RFC 5256."""

    algorithm: str
    criteria: Criteria
    by_uid: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH. RFC 3501 §6.4.5."""

    messages: SequenceSet
    wanted: Wanted
    by_uid: bool = False


class StoreAction(Enum):
    REPLACE = "="
    ADD = "+"
    REMOVE = "-"


@dataclass(frozen=True, slots=True)
class Store:
    """STORE. RFC 3501 §6.4.6; `unchanged_since` from RFC 7162 §3.1.3."""

    messages: SequenceSet
    action: StoreAction
    flags: tuple[str, ...]
    is_silent: bool = False
    by_uid: bool = False
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY. RFC 3501 §6.4.7."""

    messages: SequenceSet
    folder: str
    by_uid: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """MOVE. RFC 6851."""

    messages: SequenceSet
    folder: str
    by_uid: bool = False


Command = (
    Capability
    | Noop
    | Logout
    | Id
    | StartTls
    | Authenticate
    | Login
    | Enable
    | Select
    | Create
    | Delete
    | Rename
    | Subscribe
    | Unsubscribe
    | ListFolders
    | ListSubscribed
    | Status
    | Append
    | Namespace
    | Idle
    | GetQuota
    | GetQuotaRoot
    | SetQuota
    | Check
    | Close
    | Unselect
    | Expunge
    | Search
    | Sort
    | Thread
    | Fetch
    | Store
    | Copy
    | Move
)
