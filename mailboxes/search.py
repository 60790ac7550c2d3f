"""A criteria tree to the messages that meet it. RFC 3501 §6.4.4."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from domains.directory import Cold
from mailboxes import searchtext, selectors
from mailboxes.models import Flag
from mailboxes.searchcolumns import Column, columns
from mailboxes.selected import View
from mailboxes.selectors import StoredMessage
from protocols.imap.search import (
    And,
    BodyHas,
    ChangedSince,
    Comparison,
    Criteria,
    Dated,
    HasFlag,
    HeaderHas,
    InSequence,
    InUids,
    IsRecent,
    Larger,
    Moment,
    Not,
    Or,
    Smaller,
    TextHas,
)
from protocols.imap.sequence import SAVED_RESULT, SequenceSet

_CHUNK = 1_000  # messages read at once
_MOST_IN_COLUMN = 100_000  # a larger folder is read anew for each search
_DAY_MICROS = 86_400_000_000
_DAY_ZERO = 719_163  # ordinal of 1970-01-01

_SYSTEM_FLAGS = {
    "\\seen": Flag.SEEN,
    "\\answered": Flag.ANSWERED,
    "\\flagged": Flag.FLAGGED,
    "\\deleted": Flag.DELETED,
    "\\draft": Flag.DRAFT,
}

Places = Sequence[int]  # indices into the snapshot, rising


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A view of a folder that may be taken to another thread."""

    folder_id: int
    uids: array[int]
    flags: array[int]
    modseqs: array[int]
    keywords: dict[int, str]
    count: int  # messages of the view; the arrays may have grown since
    recent_above: int = 0  # UIDs above are recent to the session
    saved: Sequence[int] = ()  # UIDs of the saved result. RFC 5182
    gone: frozenset[int] = frozenset()  # expunged, yet not announced

    @classmethod
    def of(cls, view: View, *, recent_above: int = 1 << 32, saved: Sequence[int] = ()) -> Snapshot:
        folder = view.folder
        uids, flags, modseqs = view.uids, folder.flags[:], folder.modseqs[:]
        gone = frozenset[int]()
        if uids is not folder.uids:
            places = [folder.index(uid) for uid in uids[: view.count]]
            gone = frozenset(uid for uid, place in zip(uids, places, strict=False) if place is None)
            flags = array("H", [0 if place is None else flags[place] for place in places])
            modseqs = array("Q", [0 if place is None else modseqs[place] for place in places])
        keywords = dict(folder.keywords)
        return cls(
            folder.folder_id, uids, flags, modseqs, keywords, view.count, recent_above, saved, gone
        )


def search(snapshot: Snapshot, criteria: Criteria, *, cached_only: bool = False) -> list[int]:
    """The sequence numbers of the messages that match, rising.

    Reads messages, so it belongs into a thread; with `cached_only` it answers at once or
    raises Cold.
    """
    found = _Search(snapshot, cached_only).select(criteria, range(snapshot.count))
    if snapshot.gone:
        return [place + 1 for place in found if snapshot.uids[place] not in snapshot.gone]
    return [place + 1 for place in found]


_COSTS: dict[type, int] = {Dated: 1, Larger: 1, Smaller: 1, HeaderHas: 2, BodyHas: 3, TextHas: 3}


def _cost(criteria: Criteria) -> int:
    if isinstance(criteria, And):
        return max(map(_cost, criteria.keys), default=0)
    if isinstance(criteria, Or):
        return max(_cost(criteria.first), _cost(criteria.second))
    if isinstance(criteria, Not):
        return _cost(criteria.key)
    return _COSTS.get(type(criteria), 0)


class _Search:
    """One search; each method narrows the candidates down to those that match."""

    def __init__(self, snapshot: Snapshot, cached_only: bool) -> None:
        self.snapshot = snapshot
        self.cached_only = cached_only

    def select(self, criteria: Criteria, candidates: Places) -> Places:
        if not candidates:
            return candidates
        return _SELECT[type(criteria)](self, criteria, candidates)

    def all_of(self, criteria: And, candidates: Places) -> Places:
        for key in sorted(criteria.keys, key=_cost):  # the cheap ones leave less to read
            candidates = self.select(key, candidates)
        return candidates

    def either(self, criteria: Or, candidates: Places) -> Places:
        first, second = sorted((criteria.first, criteria.second), key=_cost)
        found = set(self.select(first, candidates))
        rest = [place for place in candidates if place not in found]
        found.update(self.select(second, rest))
        return [place for place in candidates if place in found]

    def none_of(self, criteria: Not, candidates: Places) -> Places:
        found = set(self.select(criteria.key, candidates))
        return [place for place in candidates if place not in found]

    def flagged(self, criteria: HasFlag, candidates: Places) -> Places:
        flag = criteria.flag.lower()
        bit = _SYSTEM_FLAGS.get(flag)
        if bit is not None:
            flags = self.snapshot.flags
            return [place for place in candidates if flags[place] & bit]
        wanted = f" {flag} "
        marked = {
            uid for uid, words in self.snapshot.keywords.items() if wanted in f" {words} ".lower()
        }
        uids = self.snapshot.uids
        return [place for place in candidates if uids[place] in marked] if marked else []

    def recent(self, criteria: IsRecent, candidates: Places) -> Places:
        uids, above = self.snapshot.uids, self.snapshot.recent_above
        return [place for place in candidates if uids[place] > above]

    def changed(self, criteria: ChangedSince, candidates: Places) -> Places:
        modseqs, least = self.snapshot.modseqs, criteria.modseq
        return [place for place in candidates if modseqs[place] >= least]

    def in_sequence(self, criteria: InSequence, candidates: Places) -> Places:
        if criteria.numbers == SAVED_RESULT:
            return self._saved(candidates)
        ranges = criteria.numbers.resolve(self.snapshot.count)
        return _within(candidates, [(low - 1, high) for low, high in ranges])

    def in_uids(self, criteria: InUids, candidates: Places) -> Places:
        if criteria.uids == SAVED_RESULT:
            return self._saved(candidates)
        return _within(candidates, self._places_of(criteria.uids))

    def _places_of(self, wanted: SequenceSet) -> list[tuple[int, int]]:
        uids, count = self.snapshot.uids, self.snapshot.count
        largest = uids[count - 1] if count else 0
        found = []
        for low, high in wanted.resolve(largest):
            start = bisect_left(uids, low, 0, count)
            found.append((start, bisect_left(uids, high + 1, start, count)))
        return found

    def _saved(self, candidates: Places) -> Places:
        uids, saved = self.snapshot.uids, set(self.snapshot.saved)
        return [place for place in candidates if uids[place] in saved]

    def larger(self, criteria: Larger, candidates: Places) -> Places:
        least = criteria.size_bytes
        return self._by_value(
            "size", _size, candidates, lambda size: size is not None and size > least
        )

    def smaller(self, criteria: Smaller, candidates: Places) -> Places:
        most = criteria.size_bytes
        return self._by_value(
            "size", _size, candidates, lambda size: size is not None and size < most
        )

    def dated(self, criteria: Dated, candidates: Places) -> Places:
        day = criteria.day.toordinal()
        name, read = ("came", _day_received)
        if criteria.moment is Moment.SENT:
            name, read = ("sent", _day_sent)
        if criteria.comparison is Comparison.BEFORE:
            return self._by_value(name, read, candidates, lambda value: value and value < day)
        if criteria.comparison is Comparison.ON:
            return self._by_value(name, read, candidates, lambda value: value == day)
        return self._by_value(
            name, read, candidates, lambda value: value is not None and value >= day
        )

    def header(self, criteria: HeaderHas, candidates: Places) -> Places:
        field, text = criteria.field, searchtext.folded(criteria.text)
        return self._holding(
            f"header {field}", lambda message: searchtext.header(message, field), candidates, text
        )

    def body(self, criteria: BodyHas, candidates: Places) -> Places:
        text = searchtext.folded(criteria.text)
        return self._holding("body", searchtext.body, candidates, text)

    def text(self, criteria: TextHas, candidates: Places) -> Places:
        text = searchtext.folded(criteria.text)
        found = set(self._holding("whole header", searchtext.whole_header, candidates, text))
        rest = [place for place in candidates if place not in found]
        found.update(self._holding("body", searchtext.body, rest, text))
        return [place for place in candidates if place in found]

    def _holding(
        self, name: str, read: Callable[[StoredMessage], Any], candidates: Places, text: str
    ) -> Places:
        return self._by_value(
            name, read, candidates, lambda value: value is not None and text in value
        )

    def _by_value(
        self,
        name: str,
        read: Callable[[StoredMessage], Any],
        candidates: Places,
        matches: Callable[[Any], bool],
    ) -> Places:
        """Those whose value (what `read` makes of a message, called `name`) matches."""
        column = self._column(name, read, len(candidates))
        if column is not None:
            values = column.values
            return [place for place in candidates if matches(values[place])]
        found: list[int] = []
        uids = self.snapshot.uids
        for start in range(0, len(candidates), _CHUNK):
            piece = candidates[start : start + _CHUNK]
            messages = self._messages([uids[place] for place in piece])
            for place in piece:
                message = messages.get(uids[place])
                if message is not None and matches(read(message)):
                    found.append(place)
        return found

    def _column(
        self, name: str, read: Callable[[StoredMessage], Any], candidates: int
    ) -> Column | None:
        """The values of all messages, kept in memory for the next search; None: not worth it."""
        snapshot = self.snapshot
        key = (snapshot.folder_id, name)
        column = columns.get(key, snapshot.uids, snapshot.count)
        if column is not None:
            return column
        if self.cached_only:
            raise Cold
        if snapshot.count > _MOST_IN_COLUMN or candidates < snapshot.count // 4:
            return None
        known = columns.values_by_uid(key)
        values: list[Any] = []
        uids = snapshot.uids[: snapshot.count]
        for start in range(0, len(uids), _CHUNK):
            piece = uids[start : start + _CHUNK]
            messages = self._messages([uid for uid in piece if uid not in known])
            for uid in piece:
                message = messages.get(uid)
                values.append(known.get(uid) if message is None else read(message))
        return columns.keep(key, snapshot.uids, values)

    def _messages(self, uids: Sequence[int]) -> dict[int, StoredMessage]:
        return selectors.read_messages(self.snapshot.folder_id, uids) if uids else {}


_SELECT: dict[type, Callable[[_Search, Any, Places], Places]] = {
    And: _Search.all_of,
    Or: _Search.either,
    Not: _Search.none_of,
    HasFlag: _Search.flagged,
    IsRecent: _Search.recent,
    ChangedSince: _Search.changed,
    InSequence: _Search.in_sequence,
    InUids: _Search.in_uids,
    Larger: _Search.larger,
    Smaller: _Search.smaller,
    Dated: _Search.dated,
    HeaderHas: _Search.header,
    BodyHas: _Search.body,
    TextHas: _Search.text,
}


def _within(candidates: Places, ranges: Iterable[tuple[int, int]]) -> Places:
    """Candidates in one of the half-open ranges, which rise and do not overlap."""
    found: list[int] = []
    for start, stop in ranges:
        first = bisect_left(candidates, start)
        found += candidates[first : bisect_left(candidates, stop, first)]
    return found


def _size(message: StoredMessage) -> int:
    return message.size_bytes


def _day_received(message: StoredMessage) -> int:
    return message.received_at // _DAY_MICROS + _DAY_ZERO


def _day_sent(message: StoredMessage) -> int:
    """0: no readable Date field, so no day matches."""
    day = message.facts.sent_on
    return day.toordinal() if day else 0
