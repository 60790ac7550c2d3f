"""Which messages of the selected folder meet a criteria tree. RFC 3501 §6.4.4."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from clock.moments import to_micros
from listeners.imap import flags as imap_flags
from listeners.imap import texts
from listeners.imap.folder import FlagSets
from listeners.imap.selected import Selected
from mailboxes import selectors
from mailboxes.selectors import StoredMessage
from protocols.imap import search
from protocols.imap.search import Comparison, Criteria, Moment
from protocols.imap.sequence import SequenceSet

_READS_MESSAGES = (search.HeaderHas, search.BodyHas, search.TextHas)
Indexes = Sequence[int]


def reads_messages(criteria: Criteria) -> bool:
    """Whether messages have to be looked into, which may block."""
    if isinstance(criteria, search.And):
        return any(map(reads_messages, criteria.keys))
    if isinstance(criteria, search.Or):
        return reads_messages(criteria.first) or reads_messages(criteria.second)
    if isinstance(criteria, search.Not):
        return reads_messages(criteria.key)
    if isinstance(criteria, search.Dated):
        return criteria.moment is Moment.SENT
    return isinstance(criteria, _READS_MESSAGES)


@dataclass(frozen=True, slots=True)
class View:
    """The folder as a session knows it at this moment; another thread may work on it."""

    folder_id: int
    uids: array[int]
    states: array[int]
    modseqs: array[int]
    sizes: array[int]
    received_at: array[int]
    flag_sets: FlagSets
    numbers: array[int] | None  # UIDs by the session's numbers, where these differ
    is_recent: Callable[[int], bool]
    count: int  # messages behind these have not been told yet

    @classmethod
    def of(cls, selected: Selected, *, is_copy: bool) -> View:
        folder = selected.folder
        last = selected.uids[-1] if selected.uids else 0
        columns = (folder.states, folder.modseqs, folder.sizes, folder.received_at)
        states, modseqs, sizes, received_at = (c[:] for c in columns) if is_copy else columns
        return cls(
            folder.folder_id,
            folder.uids,
            states,
            modseqs,
            sizes,
            received_at,
            folder.flag_sets,
            None if selected.uids is folder.uids else selected.uids,
            selected.is_recent,
            bisect_right(folder.uids, last),
        )

    def find(self, criteria: Criteria) -> list[int]:
        """UIDs of the messages that meet the criteria, rising."""
        return [self.uids[index] for index in self._narrow(criteria, range(self.count))]

    def _narrow(self, criteria: Criteria, among: Indexes) -> Indexes:
        return _NARROW[type(criteria)](self, criteria, among)

    def _all(self, key: search.And, among: Indexes) -> Indexes:
        # What costs little comes first, so that little is left for what costs much.
        for part in sorted(key.keys, key=reads_messages):
            if not among:
                break
            among = self._narrow(part, among)
        return among

    def _either(self, key: search.Or, among: Indexes) -> Indexes:
        first = set(self._narrow(key.first, among))
        rest = [index for index in among if index not in first]
        return sorted(first.union(self._narrow(key.second, rest)))

    def _not(self, key: search.Not, among: Indexes) -> Indexes:
        found = set(self._narrow(key.key, among))
        return [index for index in among if index not in found]

    def _flag(self, key: search.HasFlag, among: Indexes) -> Indexes:
        bit = imap_flags.bit(key.flag)
        sets = self.flag_sets
        if bit is not None:
            having = {n for n, bits in enumerate(sets.bits) if bits & bit}
        else:
            word = key.flag.lower()
            having = {n for n, words in enumerate(sets.keywords) if word in map(str.lower, words)}
        states = self.states
        return [index for index in among if states[index] in having] if having else []

    def _recent(self, key: search.IsRecent, among: Indexes) -> Indexes:
        uids, is_recent = self.uids, self.is_recent
        return [index for index in among if is_recent(uids[index])]

    def _larger(self, key: search.Larger, among: Indexes) -> Indexes:
        sizes = self.sizes
        return [index for index in among if sizes[index] > key.size_bytes]

    def _smaller(self, key: search.Smaller, among: Indexes) -> Indexes:
        sizes = self.sizes
        return [index for index in among if sizes[index] < key.size_bytes]

    def _changed(self, key: search.ChangedSince, among: Indexes) -> Indexes:
        modseqs = self.modseqs
        return [index for index in among if modseqs[index] >= key.modseq]

    def _sequence(self, key: search.InSequence, among: Indexes) -> Indexes:
        if self.numbers is None:
            return self._within(key.numbers, among, self.count)
        wanted = set()
        for low, high in key.numbers.resolve(len(self.numbers)):
            wanted.update(self.numbers[low - 1 : high])
        return [index for index in among if self.uids[index] in wanted]

    def _within(self, numbers: SequenceSet, among: Indexes, largest: int) -> Indexes:
        spans = [range(low - 1, high) for low, high in numbers.resolve(largest)]
        return [index for index in among if any(index in span for span in spans)]

    def _uid(self, key: search.InUids, among: Indexes) -> Indexes:
        uids = self.uids
        last = uids[self.count - 1] if self.count else 0
        spans = [
            range(bisect_left(uids, low), bisect_right(uids, high))
            for low, high in key.uids.resolve(last)
        ]
        if isinstance(among, range) and among == range(self.count) and len(spans) == 1:
            return range(spans[0].start, min(spans[0].stop, self.count))
        return [index for index in among if any(index in span for span in spans)]

    def _dated(self, key: search.Dated, among: Indexes) -> Indexes:
        if key.moment is Moment.SENT:
            return self._by_message(among, lambda message: _sent(message, key))
        after, before = _bounds(key.comparison, key.day)
        received_at = self.received_at
        return [index for index in among if after <= received_at[index] < before]

    def _header(self, key: search.HeaderHas, among: Indexes) -> Indexes:
        field, text = key.field.lower(), texts.fold(key.text)
        return self._by_message(among, lambda m: texts.field_holds(m, field, text))

    def _body(self, key: search.BodyHas, among: Indexes) -> Indexes:
        text = texts.fold(key.text)
        return self._by_message(among, lambda message: texts.body_holds(message, text))

    def _text(self, key: search.TextHas, among: Indexes) -> Indexes:
        text = texts.fold(key.text)
        return self._by_message(
            among, lambda m: texts.header_holds(m, text) or texts.body_holds(m, text)
        )

    def _by_message(self, among: Indexes, meets: Callable[[StoredMessage], bool]) -> Indexes:
        found = []
        for start in range(0, len(among), 500):
            some = among[start : start + 500]
            messages = selectors.read_messages(self.folder_id, [self.uids[i] for i in some])
            for index in some:
                message = messages.get(self.uids[index])
                if message is not None and meets(message):
                    found.append(index)
        return found


_NARROW: dict[type, Callable[..., Indexes]] = {
    search.And: View._all,
    search.Or: View._either,
    search.Not: View._not,
    search.HasFlag: View._flag,
    search.IsRecent: View._recent,
    search.Dated: View._dated,
    search.Larger: View._larger,
    search.Smaller: View._smaller,
    search.HeaderHas: View._header,
    search.BodyHas: View._body,
    search.TextHas: View._text,
    search.InSequence: View._sequence,
    search.InUids: View._uid,
    search.ChangedSince: View._changed,
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
