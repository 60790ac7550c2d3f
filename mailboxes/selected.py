"""Selected folders: one picture per process in compact arrays, one view per session."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mailboxes.changes import Change, Kind
from mailboxes.reading import Read

MOST_EARLY = 1_000  # changes kept while an earlier one is missing
MOST_LOGGED = 1_000  # changes of which views that lag behind are told one by one


class Row(NamedTuple):
    """A message as the picture has it."""

    uid: int
    flags: int
    keywords: str
    modseq: int


class SelectedFolder:
    """All messages of a folder: UIDs, flags, keywords, MODSEQs, by rising UID.

    Belongs to one thread (the event loop's). Views keep the `uids` array that they know: it
    only ever grows at its end; an expunge makes a new one.
    """

    __slots__ = (
        "_ask_reading",
        "_early",
        "_expunged",
        "_flagged",
        "_is_stale",
        "account_id",
        "flags",
        "folder_id",
        "generation",
        "is_gone",
        "is_loaded",
        "keywords",
        "modseq",
        "modseqs",
        "recent_uid",
        "uid_next",
        "uids",
        "uidvalidity",
        "views",
    )  # fmt: skip

    def __init__(self, folder_id: int, ask_reading: Callable[[SelectedFolder], object]) -> None:
        """`ask_reading` is called when a change has been missed: see `SelectedFolders`."""
        self.folder_id = folder_id
        self.account_id = self.uidvalidity = self.recent_uid = 0
        self.uid_next = 1
        self.modseq = 0
        self.uids = array("I")
        self.flags = array("H")
        self.modseqs = array("Q")
        self.keywords: dict[int, str] = {}  # of those messages that have any
        self.views: set[View] = set()
        self.is_loaded = False
        self.is_gone = False
        self.generation = 0  # how often messages have been expunged
        self._expunged: deque[tuple[int, tuple[int, ...]]] = deque(maxlen=MOST_LOGGED)
        self._flagged: deque[tuple[int, tuple[int, ...]]] = deque(maxlen=MOST_LOGGED)
        self._early: dict[int, Change] = {}
        self._is_stale = False
        self._ask_reading = ask_reading

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def misses_changes(self) -> bool:
        """A later change has come while an earlier one has not."""
        return bool(self._early)

    def index(self, uid: int) -> int | None:
        """Where the message is in the arrays; None: there is none (any more)."""
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else None

    def row(self, uid: int) -> Row | None:
        place = self.index(uid)
        if place is None:
            return None
        keywords = self.keywords.get(uid, "")
        return Row(uid, self.flags[place], keywords, self.modseqs[place])

    def apply(self, change: Change) -> None:
        """Take a change, by note or from a verb's result; once is enough, twice does no harm."""
        if change.modseq <= self.modseq and self.is_loaded:
            return
        if change.modseq != self.modseq + 1 or not self.is_loaded:
            if len(self._early) < MOST_EARLY:
                self._early[change.modseq] = change
            if self.is_loaded:
                self._ask_reading(self)
            return
        self._take(change)
        self._catch_up()
        self._tell()

    def note_unknown(self) -> None:
        """Something has changed, and the note could not say what."""
        if self.is_loaded:
            self._ask_reading(self)
        else:
            self._is_stale = True

    def absorb(self, read: Read) -> None:
        """Take what was read in a thread: everything at first, later what is new."""
        counters = read.counters
        if counters is None:
            self.is_loaded = self.is_gone = True
            self._tell()
            return
        self._expunge(read.expunged)
        known = self.uids[-1] if self.uids else 0
        place = next((n for n, row in enumerate(read.rows) if row[0] > known), len(read.rows))
        self._mark(read.rows[:place])
        self._add(read.rows[place:])
        self.account_id, self.uidvalidity = counters.account_id, counters.uidvalidity
        self.uid_next = max(self.uid_next, counters.uid_next)
        self.recent_uid = max(self.recent_uid, counters.recent_uid)
        self.modseq = max(self.modseq, counters.highest_modseq)
        self.is_loaded = True
        self._catch_up()
        self._tell()
        if self._early or self._is_stale:
            self._is_stale = False
            self._ask_reading(self)

    def view(self, on_change: Callable[[], object]) -> View:
        """A session's own numbering; `on_change` is called after each change of the folder."""
        view = View(self, on_change)
        self.views.add(view)
        return view

    def _catch_up(self) -> None:
        """Changes that had come too early and are due now; those that are known are dropped."""
        if not self._early:
            return
        for modseq in [modseq for modseq in self._early if modseq <= self.modseq]:
            del self._early[modseq]
        while (change := self._early.pop(self.modseq + 1, None)) is not None:
            self._take(change)

    def _tell(self) -> None:
        for view in tuple(self.views):
            view.on_change()

    def _take(self, change: Change) -> None:
        self.modseq = change.modseq
        if change.kind is Kind.EXPUNGED:
            self._expunge(change.uids)
            return
        rows = [(uid, flags, keywords, change.modseq) for uid, flags, keywords in change.marked]
        if change.kind is Kind.ADDED:
            known = self.uids[-1] if self.uids else 0
            self._add([row for row in rows if row[0] > known])
        else:
            self._mark(rows)

    def _add(self, rows: Sequence[tuple[int, int, str, int]]) -> None:
        if not rows:
            return
        self.uids.extend([row[0] for row in rows])
        self.flags.extend([row[1] for row in rows])
        self.modseqs.extend([row[3] for row in rows])
        self.keywords.update({row[0]: row[2] for row in rows if row[2]})
        self.uid_next = max(self.uid_next, rows[-1][0] + 1)

    def _mark(self, rows: Sequence[tuple[int, int, str, int]]) -> None:
        marked = []
        for uid, flags, keywords, modseq in rows:
            place = self.index(uid)
            if place is None or self.modseqs[place] >= modseq:
                continue
            self.flags[place], self.modseqs[place] = flags, modseq
            if keywords:
                self.keywords[uid] = keywords
            else:
                self.keywords.pop(uid, None)
            marked.append(uid)
        if marked:
            self._flagged.append((max(row[3] for row in rows), tuple(marked)))

    def _expunge(self, uids: Iterable[int]) -> None:
        places = sorted(place for uid in uids if (place := self.index(uid)) is not None)
        if not places:
            return
        gone = tuple(self.uids[place] for place in places)
        # Views count by the array they know, so that one must stay as it is.
        kept = self.uids[:] if self.views else self.uids
        for numbers in (kept, self.flags, self.modseqs):
            _remove(numbers, places)
        self.uids = kept
        for uid in gone:
            self.keywords.pop(uid, None)
        self.generation += 1
        self._expunged.append((self.generation, gone))

    def expunged_since(self, generation: int) -> list[int] | None:
        """UIDs expunged since then; None: too long ago to know."""
        if generation == self.generation:
            return []
        if not self._expunged or self._expunged[0][0] > generation + 1:
            return None
        return [uid for number, uids in self._expunged if number > generation for uid in uids]

    def flagged_since(self, modseq: int) -> list[tuple[int, tuple[int, ...]]] | None:
        """(MODSEQ, UIDs) of the changes of flags since then; None: too many to know."""
        if len(self._flagged) == MOST_LOGGED and self._flagged[0][0] > modseq:
            return None
        return [entry for entry in self._flagged if entry[0] > modseq]


def _remove(numbers: array[int], places: Sequence[int]) -> None:
    """Delete these places (rising), moving each stretch between them once."""
    target = places[0]
    for place, following in zip(places, (*places[1:], len(numbers)), strict=True):
        length = following - place - 1
        numbers[target : target + length] = numbers[place + 1 : following]
        target += length
    del numbers[target:]


@dataclass(frozen=True, slots=True)
class News:
    """What a session is to be told, in this order. RFC 3501 §7.3, §7.4."""

    expunged: tuple[int, ...] = ()  # numbers, falling: each is right when its turn comes
    exists: int | None = None  # None: as many as before, but for the expunged
    changed: tuple[tuple[int, Row], ...] = ()  # number and message of those flagged by others


@dataclass(slots=True, eq=False)
class View:
    """One session's numbering of a folder: what it has been told, and nothing else."""

    folder: SelectedFolder
    on_change: Callable[[], object]
    uids: array[int] = field(init=False)
    count: int = field(init=False)  # so many of `uids` have been announced
    generation: int = field(init=False)
    told_modseq: int = field(init=False)
    _own: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.uids = self.folder.uids
        self.count = len(self.folder.uids)
        self.generation = self.folder.generation
        self.told_modseq = self.folder.modseq

    def close(self) -> None:
        self.folder.views.discard(self)

    @property
    def has_news(self) -> bool:
        folder = self.folder
        return (
            self.told_modseq != folder.modseq
            or self.uids is not folder.uids
            or self.count != len(folder.uids)
        )

    def uid(self, number: int) -> int | None:
        """The UID behind a sequence number; None: no such number."""
        return self.uids[number - 1] if 0 < number <= self.count else None

    def number(self, uid: int) -> int | None:
        """The sequence number of a UID; None: not in this view."""
        place = bisect_left(self.uids, uid, 0, self.count)
        return place + 1 if place < self.count and self.uids[place] == uid else None

    def uids_in(self, ranges: Iterable[tuple[int, int]]) -> list[int]:
        """The UIDs of this view within ranges of UIDs."""
        found: list[int] = []
        for low, high in ranges:
            start = bisect_left(self.uids, low, 0, self.count)
            found += self.uids[start : bisect_left(self.uids, high + 1, start, self.count)]
        return found

    def silence(self, change: Change | None) -> None:
        """This session has caused the change and need not be told of it."""
        if change is not None and change.modseq > self.told_modseq:
            self._own.add(change.modseq)

    def take_news(self, *, may_expunge: bool) -> News:
        """What has happened since the last time; from here on it counts as told.

        RFC 3501 §7.4.1: nothing may be expunged while a command that uses numbers is in
        progress; then new messages wait, too.
        """
        changed = self._changed_flags()
        self.told_modseq = self.folder.modseq
        self._own.clear()
        expunged: tuple[int, ...] = ()
        if self.uids is not self.folder.uids:
            if not may_expunge:
                return News(changed=changed)
            expunged = self._leave_out_expunged()
            changed = tuple(
                (number, row) for _, row in changed if (number := self.number(row.uid)) is not None
            )
        exists = len(self.uids)
        is_told = exists == self.count
        self.count = exists
        return News(expunged, None if is_told else exists, changed)

    def _changed_flags(self) -> tuple[tuple[int, Row], ...]:
        folder = self.folder
        logged = folder.flagged_since(self.told_modseq)
        if logged is None:
            last = self.told_modseq
            uids = {uid for uid, n in zip(folder.uids, folder.modseqs, strict=True) if n > last}
        else:
            uids = {uid for modseq, group in logged if modseq not in self._own for uid in group}
        found = []
        for uid in sorted(uids):
            number, row = self.number(uid), folder.row(uid)
            if number is not None and row is not None:
                found.append((number, row))
        return tuple(found)

    def _leave_out_expunged(self) -> tuple[int, ...]:
        folder = self.folder
        gone = folder.expunged_since(self.generation)
        if gone is None:
            left = set(folder.uids)
            gone = [uid for uid in self.uids[: self.count] if uid not in left]
        numbers = [number for uid in gone if (number := self.number(uid)) is not None]
        last = self.uids[self.count - 1] if self.count else 0
        self.uids, self.generation = folder.uids, folder.generation
        self.count = bisect_left(self.uids, last + 1)
        return tuple(sorted(numbers, reverse=True))
