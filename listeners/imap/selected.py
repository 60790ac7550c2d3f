"""The selected folder as one session sees it: numbers, and what it has not been told yet."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from listeners.imap.folder import OpenFolder
from protocols.imap.sequence import SequenceSet


class Picked(NamedTuple):
    """A message: its number in this session, and where it stands in the folder's columns."""

    number: int
    index: int


class Selected:
    """Numbers change only when the client is told: `report` is the one place where they do."""

    __slots__ = (
        "_claims", "_told", "_version", "changed_at", "expunged_at", "folder", "is_read_only",
        "name", "on_news", "uids",
    )  # fmt: skip

    def __init__(
        self, folder: OpenFolder, name: str, *, is_read_only: bool, on_news: Callable[[], None]
    ) -> None:
        self.folder = folder
        self.name = name
        self.is_read_only = is_read_only
        self.on_news = on_news
        self.uids = folder.uids
        self.changed_at = folder.changed.end
        self.expunged_at = folder.expunged.end
        self._version = folder.version
        self._claims: list[tuple[int, int]] = []  # ranges of UIDs that are \Recent here
        self._told: dict[int, int] = {}  # UID to the modseq whose flags this session knows already
        folder.sessions.add(self)
        self._claim_recent()

    def close(self) -> None:
        self.folder.sessions.discard(self)

    @property
    def has_news(self) -> bool:
        return self._version != self.folder.version

    def tell(self) -> None:
        if self.has_news:
            self.on_news()

    # --- numbers --------------------------------------------------------------------------

    def pick(self, messages: SequenceSet, *, by_uid: bool) -> list[Picked] | None:
        """The messages of a set, ascending; those that are gone but not yet reported are left out.

        None: a message number is not one (BAD), which UIDs never are (RFC 3501 §6.4.8).
        """
        count = len(self.uids)
        if by_uid:
            spans = self._spans_of_uids(messages)
        else:
            spans = messages.resolve(count)
            if spans and spans[-1][1] > count:
                return None
        if self.uids is self.folder.uids:
            return [Picked(n, n - 1) for low, high in spans for n in range(low, high + 1)]
        return [
            Picked(number, index)
            for low, high in spans
            for number in range(low, high + 1)
            if (index := self.folder.index(self.uids[number - 1])) is not None
        ]

    def _spans_of_uids(self, messages: SequenceSet) -> list[tuple[int, int]]:
        uids = self.uids
        spans = []
        for low, high in messages.resolve(uids[-1] if uids else 0):
            first, last = bisect_left(uids, low) + 1, bisect_right(uids, high)
            if first <= last:
                spans.append((first, last))
        return spans

    def find(self, uids: list[int]) -> list[Picked]:
        """Those of the messages that are still there, and where they stand now."""
        found = []
        for uid in uids:
            number, index = self.number(uid), self.folder.index(uid)
            if number is not None and index is not None:
                found.append(Picked(number, index))
        return found

    def number(self, uid: int) -> int | None:
        found = bisect_left(self.uids, uid)
        if found < len(self.uids) and self.uids[found] == uid:
            return found + 1
        return None

    # --- \Recent --------------------------------------------------------------------------

    @property
    def recent_count(self) -> int:
        return sum(
            bisect_right(self.uids, high) - bisect_left(self.uids, low)
            for low, high in self._claims
        )

    def is_recent(self, uid: int) -> bool:
        return any(low <= uid <= high for low, high in self._claims)

    @property
    def has_recent(self) -> bool:
        return bool(self._claims)

    def _claim_recent(self) -> bool:
        """The first session that is told of a message gets it as \\Recent. RFC 3501 §2.3.2."""
        last = self.uids[-1] if self.uids else 0
        low = self.folder.recent_uid + 1
        if low > last:
            return False
        self._claims.append((low, last))
        if not self.is_read_only:
            self.folder.recent_uid = last
        return True

    def flags_text(self, uid: int, state: int) -> bytes:
        sets = self.folder.flag_sets
        if self._claims and self.is_recent(uid):
            return sets.recent_texts[state]
        return sets.texts[state]

    # --- news -----------------------------------------------------------------------------

    def knows(self, uid: int, modseq: int) -> None:
        """The client was told the flags of `uid`, or wants not to be (STORE .SILENT)."""
        self._told[uid] = modseq

    def report(self, *, may_expunge: bool) -> Iterator[bytes]:
        """The untagged responses that bring the client up to date. RFC 3501 §7.3, §7.4.1."""
        if may_expunge:
            yield from self._report_expunged()
        yield from self._report_new()
        yield from self._report_changed()
        if self.expunged_at == self.folder.expunged.end:
            self._version = self.folder.version

    def _report_expunged(self) -> Iterator[bytes]:
        gone = self.folder.expunged.since(self.expunged_at)
        self.expunged_at = self.folder.expunged.end
        numbers = sorted(filter(None, map(self.number, set(gone))), reverse=True)
        if not numbers:
            return
        left: array[int] = array("I")
        start = 0
        for number in reversed(numbers):
            left += self.uids[start : number - 1]
            start = number
        self.uids = left + self.uids[start:]
        # The highest first: then no number changes before it is named.
        for number in numbers:
            yield b"* %d EXPUNGE\r\n" % number

    def _report_new(self) -> Iterator[bytes]:
        last = self.uids[-1] if self.uids else 0
        fresh = self.folder.uids[bisect_right(self.folder.uids, last) :]
        if fresh:
            self.uids = self.uids + fresh
            self._claim_recent()
            yield b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(self.uids), self.recent_count)
        if self.expunged_at == self.folder.expunged.end:
            self.uids = self.folder.uids  # one array for all that know the same

    def _report_changed(self) -> Iterator[bytes]:
        changed = self.folder.changed.since(self.changed_at)
        self.changed_at = self.folder.changed.end
        for uid in dict.fromkeys(changed):
            number, index = self.number(uid), self.folder.index(uid)
            if number is None or index is None:
                continue
            if self._told.get(uid) == self.folder.modseqs[index]:
                continue
            flags = self.flags_text(uid, self.folder.states[index])
            yield b"* %d FETCH (UID %d %b)\r\n" % (number, uid, flags)
        self._told.clear()
