"""The table of IMAP: each command's name, the states where it is legal, and its parser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache, partial
from typing import Final

from protocols.imap import commands
from protocols.imap import folder_arguments as folders
from protocols.imap import message_arguments as messages
from protocols.imap import session_arguments as session
from protocols.imap.commands import Command
from protocols.imap.grammar import Cursor

REPEATED_BYTES: Final = 256  # of arguments; longer ones are seldom the same twice


class State(IntEnum):
    """Where a connection stands, as a bit. RFC 3501 §3."""

    NOT_AUTHENTICATED = 1
    AUTHENTICATED = 2
    SELECTED = 4


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the table; `parse` reads what follows the name up to the end of the command."""

    name: str
    states: int  # the bits of every State where it is legal
    parse: Callable[[Cursor], Command]


def _alone(command: Command) -> Callable[[Cursor], Command]:
    """A command without arguments: always the same value."""

    def parse(cursor: Cursor) -> Command:
        cursor.end()
        return command

    return parse


def _of_folder(make: Callable[[str], Command]) -> Callable[[Cursor], Command]:
    def parse(cursor: Cursor) -> Command:
        cursor.space()
        folder = cursor.folder()
        cursor.end()
        return make(folder)

    return parse


def _repeated(parse: Callable[[Cursor], Command]) -> Callable[[Cursor], Command]:
    """For commands that a client says word for word again and again. Commands never change."""

    @lru_cache(maxsize=512)
    def remembered(arguments: bytes) -> Command:
        return parse(Cursor(arguments))

    def parse_repeated(cursor: Cursor) -> Command:
        arguments = cursor.buffer[cursor.position :]
        return remembered(arguments) if len(arguments) <= REPEATED_BYTES else parse(cursor)

    return parse_repeated


_STRANGER: Final = State.NOT_AUTHENTICATED
_LOGGED_IN: Final = State.AUTHENTICATED | State.SELECTED
_SELECTED: Final = State.SELECTED
_ANY: Final = _STRANGER | _LOGGED_IN

_TABLE: Final = (
    Verb("CAPABILITY", _ANY, _alone(commands.Capability())),
    Verb("NOOP", _ANY, _alone(commands.Noop())),
    Verb("LOGOUT", _ANY, _alone(commands.Logout())),
    Verb("ID", _ANY, session.parse_id),
    Verb("STARTTLS", _STRANGER, _alone(commands.StartTls())),
    Verb("AUTHENTICATE", _STRANGER, session.parse_authenticate),
    Verb("LOGIN", _STRANGER, session.parse_login),
    Verb("ENABLE", _LOGGED_IN, session.parse_enable),
    Verb("SELECT", _LOGGED_IN, _repeated(folders.parse_select)),
    Verb("EXAMINE", _LOGGED_IN, _repeated(folders.parse_examine)),
    Verb("CREATE", _LOGGED_IN, folders.parse_create),
    Verb("DELETE", _LOGGED_IN, _of_folder(commands.Delete)),
    Verb("RENAME", _LOGGED_IN, folders.parse_rename),
    Verb("SUBSCRIBE", _LOGGED_IN, _of_folder(commands.Subscribe)),
    Verb("UNSUBSCRIBE", _LOGGED_IN, _of_folder(commands.Unsubscribe)),
    Verb("LIST", _LOGGED_IN, _repeated(folders.parse_list)),
    Verb("LSUB", _LOGGED_IN, _repeated(folders.parse_lsub)),
    Verb("STATUS", _LOGGED_IN, _repeated(folders.parse_status)),
    Verb("APPEND", _LOGGED_IN, folders.parse_append),
    Verb("NAMESPACE", _LOGGED_IN, _alone(commands.Namespace())),
    Verb("IDLE", _LOGGED_IN, _alone(commands.Idle())),
    Verb("GETQUOTA", _LOGGED_IN, folders.parse_get_quota),
    Verb("GETQUOTAROOT", _LOGGED_IN, _of_folder(commands.GetQuotaRoot)),
    Verb("SETQUOTA", _LOGGED_IN, folders.parse_set_quota),
    Verb("CHECK", _SELECTED, _alone(commands.Check())),
    Verb("CLOSE", _SELECTED, _alone(commands.Close())),
    Verb("UNSELECT", _SELECTED, _alone(commands.Unselect())),
    Verb("EXPUNGE", _SELECTED, _alone(commands.Expunge())),
    Verb("UID EXPUNGE", _SELECTED, messages.parse_uid_expunge),
    Verb("SEARCH", _SELECTED, _repeated(messages.parse_search)),
    Verb("UID SEARCH", _SELECTED, _repeated(partial(messages.parse_search, by_uid=True))),
    Verb("SORT", _SELECTED, messages.parse_sort),
    Verb("UID SORT", _SELECTED, partial(messages.parse_sort, by_uid=True)),
    Verb("THREAD", _SELECTED, messages.parse_thread),
    Verb("UID THREAD", _SELECTED, partial(messages.parse_thread, by_uid=True)),
    Verb("FETCH", _SELECTED, messages.parse_fetch),
    Verb("UID FETCH", _SELECTED, partial(messages.parse_fetch, by_uid=True)),
    Verb("STORE", _SELECTED, messages.parse_store),
    Verb("UID STORE", _SELECTED, partial(messages.parse_store, by_uid=True)),
    Verb("COPY", _SELECTED, messages.parse_copy),
    Verb("UID COPY", _SELECTED, partial(messages.parse_copy, by_uid=True)),
    Verb("MOVE", _SELECTED, messages.parse_move),
    Verb("UID MOVE", _SELECTED, partial(messages.parse_move, by_uid=True)),
)
VERBS: Final = {verb.name.encode("ascii"): verb for verb in _TABLE}
