"""Headers, and the fields cut out of them, as they were read lately."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType

from protocols.imap.fetch import Section

HEADERS_BYTES = 16 * 1024 * 1024
LONGEST_HEADER_BYTES = 32 * 1024
FIELDS_BYTES = 16 * 1024 * 1024
LONGEST_LABEL_BYTES = 512
_OVERHEAD_BYTES = 200  # of one entry
_NOTHING: Mapping[int, bytes] = MappingProxyType({})


class Headers:
    """Whole headers by message id; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[int, bytes] = OrderedDict()
        self._size_bytes = 0

    def get(self, message_id: int) -> bytes | None:
        return self._known.get(message_id)

    def put(self, message_id: int, header: bytes) -> None:
        if len(header) > LONGEST_HEADER_BYTES:
            return
        with self._lock:
            if message_id not in self._known:
                self._known[message_id] = header
                self._size_bytes += len(header) + _OVERHEAD_BYTES
            while self._size_bytes > HEADERS_BYTES:
                _, dropped = self._known.popitem(last=False)
                self._size_bytes -= len(dropped) + _OVERHEAD_BYTES


class Fields:
    """Items such as `BODY[HEADER.FIELDS (FROM)] {9}...`, finished; any thread may ask.

    A client asks for the same few fields whenever it opens a folder.
    """

    def __init__(self, limit_bytes: int = FIELDS_BYTES) -> None:
        self._lock = threading.Lock()
        self._limit_bytes = limit_bytes
        self._sections: OrderedDict[Section, OrderedDict[int, bytes]] = OrderedDict()
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """Roughly what they take of memory."""
        return self._size_bytes

    def of(self, section: Section) -> Mapping[int, bytes]:
        """What is known of one section, by message id."""
        return self._sections.get(section, _NOTHING)

    def put(self, section: Section, message_id: int, item: bytes) -> None:
        if len(section.label) > LONGEST_LABEL_BYTES or len(item) > LONGEST_HEADER_BYTES:
            return
        with self._lock:
            known = self._sections.get(section)
            if known is None:
                known = self._sections[section] = OrderedDict()
                self._size_bytes += _weight(section)
            if message_id not in known:
                known[message_id] = item
                self._size_bytes += len(item) + _OVERHEAD_BYTES
            while self._size_bytes > self._limit_bytes:
                self._drop_one()

    def _drop_one(self) -> None:
        """The oldest item of the oldest section."""
        section, known = next(iter(self._sections.items()))
        if known:
            _, dropped = known.popitem(last=False)
            self._size_bytes -= len(dropped) + _OVERHEAD_BYTES
        else:
            del self._sections[section]
            self._size_bytes -= _weight(section)


def _weight(section: Section) -> int:
    return 4 * len(section.label) + 4 * _OVERHEAD_BYTES


headers = Headers()
fields = Fields()
