"""Which messages of the selected folder meet a criteria tree. RFC 3501 §6.4.4."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from clock.moments import to_micros
from listeners.imap import flags as imap_flags
from listeners.imap import texts
from listeners.imap.details import Details
from listeners.imap.selected import Selected
from mailboxes import selectors
from mailboxes.selectors import StoredMessage
from protocols.imap import search
from protocols.imap.search import Comparison, Criteria, Moment

_READS_MESSAGES = (search.HeaderHas, search.BodyHas, search.TextHas)
Places = Sequence[int]


def reads_messages(criteria: Criteria) -> bool:
    """Whether messages have to be looked into, which may block."""
    return any(
        isinstance(key, _READS_MESSAGES)
        or (isinstance(key, search.Dated) and key.moment is Moment.SENT)
        for key in _leaves(criteria)
    )


def needs_details(criteria: Criteria) -> bool:
    """Whether sizes or dates of arrival are asked for."""
    return any(
        isinstance(key, search.Larger | search.Smaller)
        or (isinstance(key, search.Dated) and key.moment is Moment.INTERNAL)
        for key in _leaves(criteria)
    )


def names_numbers_beyond(criteria: Criteria, count: int) -> bool:
    """Whether a message number is asked for that is none."""
    for key in _leaves(criteria):
        if isinstance(key, search.InSequence):
            ranges = key.numbers.resolve(count)
            if ranges and ranges[-1][1] > count:
                return True
    return False


def _leaves(criteria: Criteria) -> Iterator[Criteria]:
    if isinstance(criteria, search.And):
        for key in criteria.keys:
            yield from _leaves(key)
    elif isinstance(criteria, search.Or):
        yield from _leaves(criteria.first)
        yield from _leaves(criteria.second)
    elif isinstance(criteria, search.Not):
        yield from _leaves(criteria.key)
    else:
        yield criteria


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The folder as a session knows it at this moment; another thread may work on it."""

    folder_id: int
    uids: array[int]  # of the messages that the session has been told of and that are there
    flags: Sequence[int]
    keywords: Mapping[int, str]
    modseqs: Sequence[int]
    details: Details
    numbers: Sequence[int]  # UIDs by the session's numbers
    is_recent: Callable[[int], bool]

    @classmethod
    def of(cls, selected: Selected, details: Details, *, is_copy: bool) -> Snapshot:
        folder, view = selected.folder, selected.view
        last = view.uids[view.count - 1] if view.count else 0
        count = bisect_right(folder.uids, last)
        is_whole = count == len(folder.uids) and not is_copy
        return cls(
            folder.folder_id,
            folder.uids if is_whole else folder.uids[:count],
            folder.flags if is_whole else folder.flags[:count],
            dict(folder.keywords) if is_copy else folder.keywords,
            folder.modseqs if is_whole else folder.modseqs[:count],
            details,
            view.uids[: view.count] if view.uids is not folder.uids else folder.uids[:count],
            selected.is_recent,
        )

    def find(self, criteria: Criteria) -> list[int]:
        """UIDs of the messages that meet the criteria, rising."""
        return [self.uids[place] for place in self._narrow(criteria, range(len(self.uids)))]

    def _narrow(self, criteria: Criteria, among: Places) -> Places:
        return _NARROW[type(criteria)](self, criteria, among)

    def _all(self, key: search.And, among: Places) -> Places:
        # What costs little comes first, so that little is left for what costs much.
        for part in sorted(key.keys, key=reads_messages):
            if not among:
                break
            among = self._narrow(part, among)
        return among

    def _either(self, key: search.Or, among: Places) -> Places:
        first = set(self._narrow(key.first, among))
        rest = [place for place in among if place not in first]
        return sorted(first.union(self._narrow(key.second, rest)))

    def _not(self, key: search.Not, among: Places) -> Places:
        found = set(self._narrow(key.key, among))
        return [place for place in among if place not in found]

    def _flag(self, key: search.HasFlag, among: Places) -> Places:
        bit = imap_flags.bit(key.flag)
        if bit is not None:
            flags = self.flags
            return [place for place in among if flags[place] & bit]
        word = key.flag.lower()
        having = {uid for uid, words in self.keywords.items() if word in words.lower().split()}
        return [place for place in among if self.uids[place] in having] if having else []

    def _recent(self, key: search.IsRecent, among: Places) -> Places:
        uids, is_recent = self.uids, self.is_recent
        return [place for place in among if is_recent(uids[place])]

    def _size(self, key: search.Larger | search.Smaller, among: Places) -> Places:
        sizes = self.details.sizes_of([self.uids[place] for place in among])
        if isinstance(key, search.Larger):
            return [
                place for place, size in zip(among, sizes, strict=True) if size > key.size_bytes
            ]
        return [place for place, size in zip(among, sizes, strict=True) if size < key.size_bytes]

    def _changed(self, key: search.ChangedSince, among: Places) -> Places:
        modseqs = self.modseqs
        return [place for place in among if modseqs[place] >= key.modseq]

    def _sequence(self, key: search.InSequence, among: Places) -> Places:
        wanted: set[int] = set()
        for low, high in key.numbers.resolve(len(self.numbers)):
            wanted.update(self.numbers[low - 1 : high])
        return [place for place in among if self.uids[place] in wanted]

    def _uid(self, key: search.InUids, among: Places) -> Places:
        uids = self.uids
        spans = [
            range(bisect_left(uids, low), bisect_right(uids, high))
            for low, high in key.uids.resolve(uids[-1] if uids else 0)
        ]
        if isinstance(among, range) and len(among) == len(uids):
            return [place for span in spans for place in span]
        wanted = {place for span in spans for place in span}
        return [place for place in among if place in wanted]

    def _dated(self, key: search.Dated, among: Places) -> Places:
        if key.moment is Moment.SENT:
            return self._by_message(among, lambda message: _sent(message, key))
        after, before = _bounds(key.comparison, key.day)
        dates = self.details.dates_of([self.uids[place] for place in among])
        return [place for place, at in zip(among, dates, strict=True) if after <= at < before]

    def _header(self, key: search.HeaderHas, among: Places) -> Places:
        field, text = key.field.lower(), texts.fold(key.text)
        return self._by_message(among, lambda m: texts.field_holds(m, field, text))

    def _body(self, key: search.BodyHas, among: Places) -> Places:
        text = texts.fold(key.text)
        return self._by_message(among, lambda message: texts.body_holds(message, text))

    def _text(self, key: search.TextHas, among: Places) -> Places:
        text = texts.fold(key.text)
        return self._by_message(
            among, lambda m: texts.header_holds(m, text) or texts.body_holds(m, text)
        )

    def _by_message(self, among: Places, meets: Callable[[StoredMessage], bool]) -> Places:
        found = []
        for start in range(0, len(among), 500):
            some = among[start : start + 500]
            uids = [self.uids[place] for place in some]
            messages = selectors.read_messages(self.folder_id, uids)
            for place, uid in zip(some, uids, strict=True):
                message = messages.get(uid)
                if message is not None and meets(message):
                    found.append(place)
        return found


_NARROW: dict[type, Callable[..., Places]] = {
    search.And: Snapshot._all,
    search.Or: Snapshot._either,
    search.Not: Snapshot._not,
    search.HasFlag: Snapshot._flag,
    search.IsRecent: Snapshot._recent,
    search.Dated: Snapshot._dated,
    search.Larger: Snapshot._size,
    search.Smaller: Snapshot._size,
    search.HeaderHas: Snapshot._header,
    search.BodyHas: Snapshot._body,
    search.TextHas: Snapshot._text,
    search.InSequence: Snapshot._sequence,
    search.InUids: Snapshot._uid,
    search.ChangedSince: Snapshot._changed,
}

_DAY = timedelta(days=1)
_FIRST = -(1 << 62)
_LAST = 1 << 62


def _bounds(comparison: Comparison, day: date) -> tuple[int, int]:
    """Microseconds from which and before which a message's date may be."""
    midnight = to_micros(datetime(day.year, day.month, day.day, tzinfo=UTC))
    next_midnight = midnight + int(_DAY.total_seconds()) * 1_000_000
    if comparison is Comparison.BEFORE:
        return _FIRST, midnight
    if comparison is Comparison.ON:
        return midnight, next_midnight
    return midnight, _LAST


def _sent(message: StoredMessage, key: search.Dated) -> bool:
    day = message.facts.sent_on
    if day is None:
        return False
    if key.comparison is Comparison.BEFORE:
        return day < key.day
    if key.comparison is Comparison.ON:
        return day == key.day
    return day >= key.day
