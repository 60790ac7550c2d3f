"""Size and date of messages, which never change: in compact arrays, read when first asked for."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence

MOST_MESSAGES = 2_000_000  # in all folders


class Details:
    """Of one folder, by rising UID, up to the highest that was asked for."""

    __slots__ = ("received_at", "sizes", "uids")

    def __init__(self) -> None:
        self.uids: array[int] = array("I")
        self.sizes: array[int] = array("Q")
        self.received_at: array[int] = array("q")

    def __len__(self) -> int:
        return len(self.uids)

    def knows(self, uid: int) -> bool:
        """Whether everything up to `uid` has been read."""
        return bool(self.uids) and self.uids[-1] >= uid

    def sizes_of(self, uids: Sequence[int]) -> list[int]:
        """In octets; 0 for a message that has gone."""
        return self._of(self.sizes, uids)

    def dates_of(self, uids: Sequence[int]) -> list[int]:
        """In microseconds; 0 for a message that has gone."""
        return self._of(self.received_at, uids)

    def _of(self, column: array[int], uids: Sequence[int]) -> list[int]:
        mine = self.uids
        first = bisect_left(mine, uids[0]) if uids else 0
        if mine[first : first + len(uids)] == array("I", uids):
            return list(column[first : first + len(uids)])
        found = []
        for uid in uids:
            place = bisect_left(mine, uid)
            found.append(column[place] if place < len(mine) and mine[place] == uid else 0)
        return found


class AllDetails:
    """By folder; those asked for longest ago are dropped first. Belongs to the loop's thread."""

    def __init__(self) -> None:
        self._folders: OrderedDict[int, Details] = OrderedDict()
        self._messages = 0

    def of(self, folder_id: int, last_uid: int) -> Details | None:
        """None: what comes behind `last_uid` has to be read first."""
        details = self._folders.get(folder_id)
        if details is None or not details.knows(last_uid):
            return None
        self._folders.move_to_end(folder_id)
        return details

    def last_uid(self, folder_id: int) -> int:
        """The last UID that is known of a folder."""
        details = self._folders.get(folder_id)
        return details.uids[-1] if details else 0

    def absorb(self, folder_id: int, rows: Sequence[tuple[int, int, int]]) -> Details:
        """Take (uid, size, received_at) by rising UID."""
        details = self._folders.setdefault(folder_id, Details())
        fresh = rows[bisect_right(rows, (self.last_uid(folder_id), 1 << 63, 0)) :]
        details.uids.extend([row[0] for row in fresh])
        details.sizes.extend([row[1] for row in fresh])
        details.received_at.extend([row[2] for row in fresh])
        self._messages += len(fresh)
        while self._messages > MOST_MESSAGES and len(self._folders) > 1:
            _, dropped = self._folders.popitem(last=False)
            self._messages -= len(dropped)
        return details
