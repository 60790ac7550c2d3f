"""Messages as FETCH, SEARCH and POP3 read them: what never changes is kept in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection

from blobs.errors import BlobGone, StoreError
from blobs.store import Location, locate, read_body, read_facts
from mailboxes.rows import select_by_uid
from protocols.message.facts import Facts, FactsUnreadable, facts

MEMORY_BYTES = 64 << 20  # what all remembered messages may take, roughly
_OVERHEAD_BYTES = 700  # of one remembered message beside its facts and prefix

_COLUMNS = "id, size_bytes, received_at, prefix, blob_id"


class StoredMessage(NamedTuple):
    """One message of a folder without its flags: nothing of it ever changes.

    Its bytes are `prefix` and then the blob's body; `facts` are about the body alone. The
    location may be old: reading follows a blob that has been moved.
    """

    message_id: int
    uid: int
    size_bytes: int  # RFC822.SIZE: prefix and body
    received_at: int  # INTERNALDATE, microseconds
    prefix: bytes
    location: Location
    facts: Facts

    def read(self) -> bytes:
        """The whole message. Raises blobs.errors.BlobDamaged, BlobGone. Blocks."""
        return self.prefix + self._read_body(0, None)

    def read_range(self, start: int, stop: int) -> bytes:
        """These bytes of the whole message. Raises as read() does. Blocks."""
        shift = len(self.prefix)
        head = self.prefix[start:stop]
        if stop <= shift:
            return head
        return head + self._read_body(max(start - shift, 0), stop - shift)

    def _read_body(self, start: int, stop: int | None) -> bytes:
        try:
            return read_body(self.location, start, stop)
        except BlobGone:
            # The settler has given the message a blob of its own, and the old one was swept.
            location = _location_now(self.message_id)
            if location is None:
                raise
            return read_body(location, start, stop)

    def section(self, path: tuple[int, ...], kind: str = "") -> tuple[int, int] | None:
        """Range of BODY[path.kind] in the whole message, the prefix counted in; None: no part."""
        found = self.facts.section(path, kind)
        if found is None:
            return None
        shift = len(self.prefix)
        start, stop = found
        is_from_top = not path and kind in ("", "HEADER")
        return (0 if is_from_top else start + shift), stop + shift


def _location_now(message_id: int) -> Location | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT blob_id FROM mailboxes_message WHERE id = %s", (message_id,))
        row = cursor.fetchone()
    return None if row is None else locate([row[0]]).get(row[0])


_lock = threading.Lock()
_known: OrderedDict[tuple[int, int], StoredMessage] = OrderedDict()
_known_bytes = 0


def known(folder_id: int, uids: Sequence[int]) -> list[StoredMessage | None]:
    """What this process remembers of these messages, in the order of `uids`. Asks no database."""
    get = _known.get
    return [get((folder_id, uid)) for uid in uids]


def read_messages(folder_id: int, uids: Sequence[int]) -> dict[int, StoredMessage]:
    """These messages by UID, those that exist; remembered ones from memory. Blocks."""
    found: dict[int, StoredMessage] = {}
    missing = []
    for uid, message in zip(uids, known(folder_id, uids), strict=True):
        if message is None:
            missing.append(uid)
        else:
            found[uid] = message
    for start in range(0, len(missing), 1000):
        found.update(_read(folder_id, missing[start : start + 1000]))
    return found


def all_uids(folder_id: int) -> list[tuple[int, int, str, int]]:
    """(uid, flags, keywords, modseq) of every message, by rising UID."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT uid, flags, keywords, modseq FROM mailboxes_message"
            " WHERE folder_id = %s ORDER BY uid",
            (folder_id,),
        )
        rows: list[tuple[int, int, str, int]] = cursor.fetchall()
    return rows


def forget_messages() -> None:
    """Drop what is remembered."""
    global _known_bytes
    with _lock:
        _known.clear()
        _known_bytes = 0


def _read(folder_id: int, uids: Sequence[int]) -> dict[int, StoredMessage]:
    with connection.cursor() as cursor:
        rows = select_by_uid(cursor, _COLUMNS, folder_id, uids)
        locations = _locate(cursor, sorted({row[5] for row in rows}))
    found = {}
    for uid, message_id, size_bytes, received_at, prefix, blob_id in rows:
        location = locations.get(blob_id)
        if location is None:  # expunged and swept since the first query
            continue
        record, is_sound = _facts_of(location)
        message = StoredMessage(
            message_id, uid, size_bytes, received_at, prefix.encode(), location, record
        )
        found[uid] = message
        if is_sound:
            _remember((folder_id, uid), message)
    return found


def _locate(cursor: Any, blob_ids: list[int]) -> dict[int, Location]:
    found = {}
    for start in range(0, len(blob_ids), 400):
        piece = blob_ids[start : start + 400]
        marks = ", ".join(["%s"] * len(piece))
        cursor.execute(
            'SELECT id, segment_id, "offset", length, size_bytes FROM blobs_blob'
            f" WHERE id IN ({marks})",
            piece,
        )
        for row in cursor.fetchall():
            found[row[0]] = Location(*row)
    return found


def _facts_of(location: Location) -> tuple[Facts, bool]:
    """The stored facts, or new ones if there are none of this version; False: bytes are lost."""
    try:
        return Facts.decode(read_facts(location)), True
    except (FactsUnreadable, StoreError):
        pass
    try:
        return Facts(facts(read_body(location))), True
    except StoreError:
        # The list of messages must still be shown; reading this one will say what is wrong.
        return Facts(facts(b"")), False


def _remember(key: tuple[int, int], message: StoredMessage) -> None:
    global _known_bytes
    with _lock:
        if key not in _known:
            _known_bytes += _weight(message)
        _known[key] = message
        while _known_bytes > MEMORY_BYTES:
            _, oldest = _known.popitem(last=False)
            _known_bytes -= _weight(oldest)


def _weight(message: StoredMessage) -> int:
    return len(message.facts.data) + len(message.prefix) + _OVERHEAD_BYTES
