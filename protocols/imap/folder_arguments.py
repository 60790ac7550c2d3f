"""What follows the names of the commands about folders: SELECT, LIST, STATUS, APPEND, quotas."""

from __future__ import annotations

import re
from typing import Final

from protocols.imap import commands
from protocols.imap.commands import Return, Selection, StatusItem
from protocols.imap.errors import Malformed
from protocols.imap.grammar import MAX_MODSEQ, Cursor
from protocols.imap.sequence import SequenceSet


def parse_select(cursor: Cursor, *, is_read_only: bool = False) -> commands.Command:
    cursor.space()
    folder = cursor.folder()
    with_condstore, resync = False, None
    if not cursor.at_end():
        cursor.space()
        for parameter in cursor.listed(lambda: _select_parameter(cursor)):
            with_condstore = True  # RFC 7162 §3.2.5: QRESYNC asks for CONDSTORE too
            resync = parameter or resync
    cursor.end()
    return commands.Select(folder, is_read_only, with_condstore, resync)


def parse_examine(cursor: Cursor) -> commands.Command:
    return parse_select(cursor, is_read_only=True)


def _select_parameter(cursor: Cursor) -> commands.Resync | None:
    """None is CONDSTORE."""
    name = cursor.keyword()
    if name == "CONDSTORE":
        return None
    if name != "QRESYNC":
        raise Malformed("Unknown SELECT parameter")
    cursor.space()
    return _resync(cursor)


def _resync(cursor: Cursor) -> commands.Resync:
    """`(uidvalidity modseq [known-uids] [(numbers uids)])`. RFC 7162 §3.2.5."""
    cursor.require(b"(")
    uidvalidity = cursor.number()
    cursor.space()
    modseq = cursor.modseq()
    known: SequenceSet | None = None
    numbers: SequenceSet | None = None
    uids: SequenceSet | None = None
    if cursor.skip(b" ") and cursor.peek() != b"(":
        known = cursor.sequence_set()
        cursor.skip(b" ")
    if cursor.skip(b"("):
        numbers = cursor.sequence_set()
        cursor.space()
        uids = cursor.sequence_set()
        cursor.require(b")")
    cursor.require(b")")
    return commands.Resync(uidvalidity, modseq, known, numbers, uids)


def parse_create(cursor: Cursor) -> commands.Command:
    cursor.space()
    folder = cursor.folder()
    uses: tuple[str, ...] = ()
    if not cursor.at_end():
        cursor.space()
        cursor.require(b"(USE ")
        uses = cursor.flag_list()
        cursor.require(b")")
        cursor.end()
    return commands.Create(folder, uses)


def parse_rename(cursor: Cursor) -> commands.Command:
    cursor.space()
    folder = cursor.folder()
    cursor.space()
    new_name = cursor.folder()
    cursor.end()
    return commands.Rename(folder, new_name)


_SELECTIONS: Final = {option.value for option in Selection}
_SELECTING: Final = {Selection.SUBSCRIBED, Selection.SPECIAL_USE}
_RETURNS: Final = {option.value for option in Return}
_STATUS_ITEMS: Final = {item.value: item for item in StatusItem}


def parse_list(cursor: Cursor) -> commands.Command:
    cursor.space()
    selection: frozenset[Selection] | None = None
    if cursor.peek() == b"(":
        selection = _selection(cursor)
        cursor.space()
    reference = cursor.folder()
    cursor.space()
    has_many = cursor.peek() == b"("
    patterns = cursor.listed(cursor.folder_pattern) if has_many else [cursor.folder_pattern()]
    returns: frozenset[Return] = frozenset()
    status: tuple[StatusItem, ...] = ()
    has_returns = not cursor.at_end()
    if has_returns:
        cursor.space()
        cursor.require(b"RETURN ")
        returns, status = _list_returns(cursor)
    cursor.end()
    is_extended = selection is not None or has_many or has_returns
    return commands.ListFolders(
        reference, tuple(patterns), selection or frozenset(), returns, status, is_extended
    )


def _selection(cursor: Cursor) -> frozenset[Selection]:
    names = cursor.listed(cursor.keyword, may_be_empty=True)
    if not _SELECTIONS.issuperset(names):
        raise Malformed("Unknown LIST option")
    selection = frozenset(map(Selection, names))
    # RFC 5258 §3.1: RECURSIVEMATCH alone, or with REMOTE, selects nothing.
    if Selection.RECURSIVEMATCH in selection and not selection & _SELECTING:
        raise Malformed("RECURSIVEMATCH needs another selection option")
    return selection


def _list_returns(cursor: Cursor) -> tuple[frozenset[Return], tuple[StatusItem, ...]]:
    status: tuple[StatusItem, ...] = ()

    def option() -> Return | None:
        nonlocal status
        name = cursor.keyword()
        if name == "STATUS":  # RFC 5819 §2
            cursor.space()
            status = _status_items(cursor)
            return None
        if name not in _RETURNS:
            raise Malformed("Unknown LIST option")
        return Return(name)

    options = cursor.listed(option, may_be_empty=True)
    return frozenset([option for option in options if option is not None]), status


def parse_lsub(cursor: Cursor) -> commands.Command:
    cursor.space()
    reference = cursor.folder()
    cursor.space()
    pattern = cursor.folder_pattern()
    cursor.end()
    return commands.ListSubscribed(reference, pattern)


def parse_status(cursor: Cursor) -> commands.Command:
    cursor.space()
    folder = cursor.folder()
    cursor.space()
    items = _status_items(cursor)
    cursor.end()
    return commands.Status(folder, items)


def _status_items(cursor: Cursor) -> tuple[StatusItem, ...]:
    names = cursor.listed(cursor.keyword)
    if not _STATUS_ITEMS.keys() >= set(names):
        raise Malformed("Unknown STATUS item")
    return tuple([_STATUS_ITEMS[name] for name in dict.fromkeys(names)])


_MESSAGE_LITERAL: Final = re.compile(rb"(~?)\{(\d{1,10})(\+?)\}\Z")


def parse_append(cursor: Cursor) -> commands.Command:
    """Read up to the message's literal, `{310}` at the very end."""
    cursor.space()
    folder = cursor.folder()
    cursor.space()
    flags: tuple[str, ...] = ()
    if cursor.peek() == b"(":
        flags = cursor.flag_list()
        cursor.space()
    internal_at = None
    if cursor.peek() == b'"':
        internal_at = cursor.date_time()
        cursor.space()
    literal = _MESSAGE_LITERAL.match(cursor.buffer, cursor.position)
    if literal is None:
        raise Malformed("Expected a message literal")
    return commands.Append(folder, flags, internal_at, int(literal[2]), bool(literal[1]))


def parse_get_quota(cursor: Cursor) -> commands.Command:
    cursor.space()
    root = cursor.astring().decode("utf-8", "replace")
    cursor.end()
    return commands.GetQuota(root)


def parse_set_quota(cursor: Cursor) -> commands.Command:
    cursor.space()
    root = cursor.astring().decode("utf-8", "replace")
    cursor.space()

    def limit() -> tuple[str, int]:
        resource = cursor.keyword()
        cursor.space()
        return resource, cursor.number(MAX_MODSEQ)

    limits = cursor.listed(limit, may_be_empty=True)
    cursor.end()
    return commands.SetQuota(root, tuple(limits))
