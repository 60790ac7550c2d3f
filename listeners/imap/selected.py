"""The selected folder of one session: which messages a command means, and what to tell."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable

from listeners.imap import flags
from mailboxes.models import Flag
from mailboxes.selected import SelectedFolder, View
from protocols.imap.sequence import SequenceSet

# By the low byte of a message's flags.
_UNSEEN = bytes(not value & Flag.SEEN for value in range(256))
_DELETED = bytes(bool(value & Flag.DELETED) for value in range(256))


# A message: its number in this session, and its place in the folder's arrays.
Picked = tuple[int, int]
Span = tuple[int, int]  # from the first number to the last


class Selected:
    """A view of a folder that belongs to one session, and the \\Recent messages that it got."""

    __slots__ = ("folder", "is_read_only", "recent_above", "view")

    def __init__(
        self, folder: SelectedFolder, *, is_read_only: bool, on_change: Callable[[], None]
    ) -> None:
        self.folder = folder
        self.is_read_only = is_read_only
        self.view: View = folder.view(on_change)
        # The first session that is told of a message gets it as \Recent (RFC 3501 §2.3.2); of
        # those that are open when it comes each one may have it.
        self.recent_above = folder.recent_uid
        if not is_read_only and folder.uids:
            folder.recent_uid = max(folder.recent_uid, folder.uids[-1])

    def close(self) -> None:
        self.view.close()

    # --- which messages -------------------------------------------------------------------

    def pick(self, messages: SequenceSet, *, by_uid: bool) -> list[Picked] | None:
        """The messages of a set, ascending; those gone that were not yet told are left out.

        None: a message number is not one (BAD), which UIDs never are (RFC 3501 §6.4.8).
        """
        spans = self.spans(messages, by_uid=by_uid)
        return None if spans is None else self.pick_spans(spans)

    def spans(self, messages: SequenceSet, *, by_uid: bool) -> list[Span] | None:
        """The same as ranges of numbers, rising."""
        count, uids = self.view.count, self.view.uids
        if not by_uid:
            spans = messages.resolve(count)
            return None if spans and spans[-1][1] > count else spans
        found = [
            (bisect_left(uids, low, 0, count) + 1, bisect_right(uids, high, 0, count))
            for low, high in messages.resolve(uids[count - 1] if count else 0)
        ]
        return [(low, high) for low, high in found if low <= high]

    def pick_spans(self, spans: list[Span]) -> list[Picked]:
        if self.view.uids is not self.folder.uids:
            return self.find(self.uids_in(spans))
        picked: list[Picked] = []
        for low, high in spans:
            picked += zip(range(low, high + 1), range(low - 1, high), strict=True)
        return picked

    def uids_in(self, spans: list[Span]) -> array[int]:
        """UIDs of ranges of numbers, as compact as can be."""
        found: array[int] = array("I")
        for low, high in spans:
            found += self.view.uids[low - 1 : high]
        return found

    def find(self, uids: Iterable[int]) -> list[Picked]:
        """Those of the messages that are still there, and where they stand now."""
        number, index = self.view.number, self.folder.index
        places = [(number(uid), index(uid)) for uid in uids]
        return [(n, place) for n, place in places if n is not None and place is not None]

    def uids_of(self, picked: list[Picked]) -> list[int]:
        uids = self.folder.uids
        return [uids[place] for _, place in picked]

    def first_unseen(self) -> int | None:
        """The number of the first message without \\Seen."""
        return self._marks(_UNSEEN).find(1) + 1 or None

    def has_deleted(self) -> bool:
        return 1 in self._marks(_DELETED)

    def _marks(self, table: bytes) -> bytes:
        # The low byte of each 16-bit entry: every system flag is in it.
        return self.folder.flags.tobytes()[::2].translate(table)

    # --- flags ----------------------------------------------------------------------------

    def flags_texts(self, picked: list[Picked]) -> list[bytes]:
        """`FLAGS (...)` of each message."""
        folder = self.folder
        bits, keywords = folder.flags, folder.keywords
        uids, recent_above = folder.uids, self.recent_above
        if not keywords and (not uids or uids[-1] <= recent_above):
            plain = flags.PLAIN_TEXTS
            return [plain[bits[place]] for _, place in picked]
        get, text = keywords.get, flags.text
        return [
            text(bits[place], get(uids[place], ""), uids[place] > recent_above)
            for _, place in picked
        ]

    @property
    def recent_count(self) -> int:
        view = self.view
        return view.count - bisect_right(view.uids, self.recent_above, 0, view.count)

    # --- news -----------------------------------------------------------------------------

    @property
    def has_news(self) -> bool:
        return self.view.has_news

    def report(self, *, may_expunge: bool) -> bytes:
        """The untagged responses that bring the client up to date. RFC 3501 §7.3, §7.4.1."""
        news = self.view.take_news(may_expunge=may_expunge)
        lines = [b"* %d EXPUNGE\r\n" % number for number in news.expunged]
        if news.exists is not None:
            lines.append(b"* %d EXISTS\r\n* %d RECENT\r\n" % (news.exists, self.recent_count))
        for number, row in news.changed:
            text = flags.text(row.flags, row.keywords, row.uid > self.recent_above)
            lines.append(b"* %d FETCH (UID %d %b)\r\n" % (number, row.uid, text))
        return b"".join(lines)
