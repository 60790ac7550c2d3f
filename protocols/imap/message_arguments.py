"""What follows the names of the commands about messages: SEARCH, FETCH, STORE, COPY, MOVE."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from protocols.imap import commands
from protocols.imap.commands import StoreAction
from protocols.imap.errors import Malformed
from protocols.imap.fetch import parse_wanted
from protocols.imap.grammar import Cursor
from protocols.imap.search import Criteria, parse_charset, parse_criteria
from protocols.imap.sequence import SequenceSet


def parse_uid_expunge(cursor: Cursor) -> commands.Command:
    cursor.space()
    uids = cursor.sequence_set()
    cursor.end()
    return commands.Expunge(uids)


_SEARCH_RETURNS: Final = {"MIN", "MAX", "ALL", "COUNT", "SAVE"}  # RFC 4731 §3.1, RFC 5182 §2


def _search_returns(cursor: Cursor) -> tuple[str, ...] | None:
    """`RETURN (MIN COUNT)` and a space, if it stands here; () means ALL."""
    if not cursor.skip(b"RETURN "):
        return None
    names = cursor.listed(cursor.keyword, may_be_empty=True)
    if not _SEARCH_RETURNS.issuperset(names):
        raise Malformed("Unknown SEARCH return option")
    cursor.space()
    return tuple(names)


def parse_search(cursor: Cursor, *, by_uid: bool = False) -> commands.Command:
    cursor.space()
    returns = _search_returns(cursor)
    charset = "US-ASCII"
    if cursor.skip(b"CHARSET "):
        charset = parse_charset(cursor)
        cursor.space()
    return commands.Search(parse_criteria(cursor, charset), by_uid, returns)


_SORT_KEYS: Final = {"ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO"}  # RFC 5256 §3


def parse_sort(cursor: Cursor, *, by_uid: bool = False) -> commands.Command:
    cursor.space()
    returns = _search_returns(cursor)

    def order() -> tuple[str, bool]:
        key = cursor.keyword()
        is_reversed = key == "REVERSE"
        if is_reversed:
            cursor.space()
            key = cursor.keyword()
        if key not in _SORT_KEYS:
            raise Malformed("Unknown sort key")
        return key, is_reversed

    orders = cursor.listed(order)
    return commands.Sort(tuple(orders), _charset_and_criteria(cursor), by_uid, returns)


def parse_thread(cursor: Cursor, *, by_uid: bool = False) -> commands.Command:
    cursor.space()
    algorithm = cursor.keyword()
    return commands.Thread(algorithm, _charset_and_criteria(cursor), by_uid)


def _charset_and_criteria(cursor: Cursor) -> Criteria:
    cursor.space()
    charset = parse_charset(cursor)
    cursor.space()
    return parse_criteria(cursor, charset)


def parse_fetch(cursor: Cursor, *, by_uid: bool = False) -> commands.Command:
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    return commands.Fetch(messages, parse_wanted(cursor), by_uid)


_STORE_ACTION: Final = re.compile(rb"([+-]?)FLAGS(\.SILENT)? +", re.IGNORECASE)
_ACTIONS: Final = {b"": StoreAction.REPLACE, b"+": StoreAction.ADD, b"-": StoreAction.REMOVE}


def parse_store(cursor: Cursor, *, by_uid: bool = False) -> commands.Command:
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    unchanged_since = None
    if cursor.skip(b"(UNCHANGEDSINCE "):
        unchanged_since = cursor.modseq()
        cursor.require(b")")
        cursor.space()
    action, is_silent, flags = _marks(cursor)
    return commands.Store(messages, action, flags, is_silent, by_uid, unchanged_since)


_Marks = tuple[StoreAction, bool, tuple[str, ...]]


def _marks(cursor: Cursor) -> _Marks:
    """What STORE does to flags, up to the end of the command: the same few things for ever."""
    rest = cursor.buffer[cursor.position :]
    return _remembered_marks(rest) if len(rest) <= 256 else _parse_marks(cursor)


@lru_cache(maxsize=512)
def _remembered_marks(rest: bytes) -> _Marks:
    return _parse_marks(Cursor(rest))


def _parse_marks(cursor: Cursor) -> _Marks:
    match = _STORE_ACTION.match(cursor.buffer, cursor.position)
    if match is None:
        raise Malformed("Expected FLAGS")
    cursor.position = match.end()
    flags = cursor.flags()
    cursor.end()
    return _ACTIONS[match[1]], match[2] is not None, flags


def parse_copy(cursor: Cursor, *, by_uid: bool = False) -> commands.Command:
    return commands.Copy(*_messages_and_folder(cursor), by_uid)


def parse_move(cursor: Cursor, *, by_uid: bool = False) -> commands.Command:
    return commands.Move(*_messages_and_folder(cursor), by_uid)


def _messages_and_folder(cursor: Cursor) -> tuple[SequenceSet, str]:
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    folder = cursor.folder()
    cursor.end()
    return messages, folder
