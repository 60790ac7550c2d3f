"""One folder's messages as columns in memory, shared by the sessions of this process."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mailboxes.changes import Marked
from mailboxes.columns import Row
from mailboxes.models import Flag

if TYPE_CHECKING:
    from listeners.imap.selected import Selected

SYSTEM_FLAGS = (
    (Flag.ANSWERED, "\\Answered"),
    (Flag.FLAGGED, "\\Flagged"),
    (Flag.DELETED, "\\Deleted"),
    (Flag.SEEN, "\\Seen"),
    (Flag.DRAFT, "\\Draft"),
)
_TRIM_AT = 256  # entries of news that all sessions have been told


class FlagSets:
    """Every combination of flags and keywords in a folder, numbered, with its finished text."""

    __slots__ = ("_numbers", "bits", "keywords", "recent_texts", "texts")

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str], int] = {}
        self.bits: list[int] = []
        self.keywords: list[tuple[str, ...]] = []
        self.texts: list[bytes] = []  # `FLAGS (\\Seen $Junk)`
        self.recent_texts: list[bytes] = []

    def number(self, bits: int, keywords: str) -> int:
        found = self._numbers.get((bits, keywords))
        if found is None:
            found = self._numbers[bits, keywords] = len(self.bits)
            names = [name for bit, name in SYSTEM_FLAGS if bits & bit]
            words = tuple(keywords.split())
            self.bits.append(bits)
            self.keywords.append(words)
            self.texts.append(_text([*names, *words]))
            self.recent_texts.append(_text([*names, *words, "\\Recent"]))
        return found


def _text(flags: list[str]) -> bytes:
    return b"FLAGS (" + " ".join(flags).encode("ascii", "replace") + b")"


class News:
    """A log that each session reads at its own pace; positions never repeat."""

    __slots__ = ("_dropped", "_uids")

    def __init__(self) -> None:
        self._uids: list[int] = []
        self._dropped = 0

    @property
    def end(self) -> int:
        return self._dropped + len(self._uids)

    def add(self, uids: Iterable[int]) -> None:
        self._uids.extend(uids)

    def since(self, position: int) -> list[int]:
        return self._uids[position - self._dropped :]

    def trim(self, position: int) -> None:
        """Drop what lies before `position`."""
        if position - self._dropped > _TRIM_AT:
            del self._uids[: position - self._dropped]
            self._dropped = position


class OpenFolder:
    """The columns have one entry for each message, by ascending UID.

    `uids` is never changed in place: a session that has not yet been told of the newest change
    keeps the array that it knows.
    """

    __slots__ = (
        "changed", "expunged", "flag_sets", "folder_id", "is_gone", "modseq",
        "modseqs", "received_at", "recent_uid", "sessions", "sizes", "states", "uid_next", "uids",
        "uidvalidity", "version",
    )  # fmt: skip

    def __init__(self, folder_id: int, *, uidvalidity: int, recent_uid: int = 0) -> None:
        self.folder_id = folder_id
        self.uidvalidity = uidvalidity
        self.recent_uid = recent_uid  # messages above were not yet shown to any session
        self.is_gone = False  # deleted: sessions that look at it have to leave
        self.uid_next = 1
        self.modseq = 0  # up to here the columns are true
        self.version = 0
        self.uids: array[int] = array("I")
        self.states: array[int] = array("I")  # numbers in `flag_sets`
        self.modseqs: array[int] = array("Q")
        self.sizes: array[int] = array("Q")
        self.received_at: array[int] = array("q")
        self.flag_sets = FlagSets()
        self.changed = News()
        self.expunged = News()
        self.sessions: set[Selected] = set()

    def __len__(self) -> int:
        return len(self.uids)

    def index(self, uid: int) -> int | None:
        """Where the message stands in the columns; None: it is gone."""
        found = bisect_left(self.uids, uid)
        return found if found < len(self.uids) and self.uids[found] == uid else None

    def bits(self, index: int) -> int:
        return self.flag_sets.bits[self.states[index]]

    def first_unseen(self) -> int | None:
        """The number of the first message without \\Seen."""
        unseen = {n for n, bits in enumerate(self.flag_sets.bits) if not bits & Flag.SEEN}
        for index, state in enumerate(self.states if unseen else ()):
            if state in unseen:
                return index + 1
        return None

    def count_of_flag(self, bit: int) -> int:
        having = {n for n, bits in enumerate(self.flag_sets.bits) if bits & bit}
        return sum(self.states.count(state) for state in having)

    def keywords(self) -> list[str]:
        """All keywords ever seen here, so that FLAGS can name them."""
        return list(dict.fromkeys(word for words in self.flag_sets.keywords for word in words))

    def apply(self, rows: Sequence[Row], expunged: Sequence[int], modseq: int) -> None:
        """Take in messages that are new or have changed, and UIDs that are gone.

        Rows older than what is known do no harm; sessions are told afterwards, by `tell`.
        """
        last = self.uids[-1] if self.uids else 0
        fresh: list[Row] = []
        for row in rows:
            self.uid_next = max(self.uid_next, row.uid + 1)
            if row.uid > last:
                fresh.append(row)
            else:
                self._mark(row.uid, row.flags, row.keywords, row.modseq)
        if expunged:
            self._remove(set(expunged))
        if fresh:
            self._append(sorted(fresh))
        self.modseq = max(self.modseq, modseq)
        self._trim()

    def mark(self, marked: Iterable[Marked], modseq: int) -> None:
        """Take in flags that have changed."""
        for uid, flags, keywords in marked:
            self._mark(uid, flags, keywords, modseq)
        self.modseq = max(self.modseq, modseq)
        self._trim()

    def tell(self) -> None:
        """Let the sessions know that there may be news."""
        for session in tuple(self.sessions):
            session.tell()

    def _mark(self, uid: int, flags: int, keywords: str, modseq: int) -> None:
        index = self.index(uid)
        if index is None or modseq <= self.modseqs[index]:
            return
        self.modseqs[index] = modseq
        state = self.flag_sets.number(flags, keywords)
        if state != self.states[index]:
            self.states[index] = state
            self.changed.add((uid,))
        self.version += 1

    def _append(self, rows: list[Row]) -> None:
        self.uids = self.uids + array("I", [row.uid for row in rows])
        number = self.flag_sets.number
        self.states.extend([number(row.flags, row.keywords) for row in rows])
        self.modseqs.extend([row.modseq for row in rows])
        self.sizes.extend([row.size_bytes for row in rows])
        self.received_at.extend([row.received_at for row in rows])
        self.version += 1

    def _remove(self, uids: set[int]) -> None:
        indexes = sorted(index for index in map(self.index, uids) if index is not None)
        if not indexes:
            return
        self.expunged.add([self.uids[index] for index in indexes])
        self.uids = _without(self.uids, indexes)
        for name in ("states", "modseqs", "sizes", "received_at"):
            setattr(self, name, _without(getattr(self, name), indexes))
        self.version += 1

    def _trim(self) -> None:
        """Forget what every session has been told."""
        ends = (self.changed.end, self.expunged.end)
        self.changed.trim(min([s.changed_at for s in self.sessions], default=ends[0]))
        self.expunged.trim(min([s.expunged_at for s in self.sessions], default=ends[1]))


def _without(column: array[int], indexes: list[int]) -> array[int]:
    """A new column without the entries at these ascending indexes."""
    kept: array[int] = array(column.typecode)
    start = 0
    for index in indexes:
        kept += column[start:index]
        start = index + 1
    kept += column[start:]
    return kept
