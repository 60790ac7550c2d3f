"""Every topic, and what its notes carry."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Topic(IntEnum):
    """What a note is about. The numbers travel between processes: never re-use one (0 to 63)."""

    DOMAIN = 1
    """A domain's settings, aliases or status changed. key: domain id; payload: empty. Durable."""

    ACCOUNT = 2
    """An account, alias or password changed. key: account or alias id; payload: the domain's id
    as 8 bytes, big-endian, where the address may have been new. Durable."""

    FOLDER = 3
    """A folder's messages or flags changed. key: folder id; payload: the change as `mailboxes`
    encodes it, or empty: look for yourself."""

    MAILBOX = 4
    """The list of an account's folders, or its subscriptions, changed. key: account id."""

    SPOOL = 5
    """Something in the spool is due. key: recipient's or message's id, 0 for many."""

    SETTINGS = 6
    """A system-wide setting changed. key: 0; payload: the setting's name. Durable."""

    SESSION = 7
    """Open sessions are to end. key: account id; payload: a session's name, or empty for all."""

    ROUTES = 8
    """Gateways or other routes changed. key: gateway id. Durable."""

    BLOCKS = 9
    """Parties were blocked, listed or let in again. key: an account's id or 0; payload: the
    network, `rules` where those changed, empty with key 0: a whole list. Durable."""

    SERVICES = 10
    """A service is to start, stop or restart. key: 0; payload: its name. Durable."""

    EVENTS = 11
    """An occurrence waits, or a rule changed. key: the domain's id, 0 for all."""

    RETRIEVAL = 12
    """An account on another server is due, or was changed. key: its id."""

    MAILING_LIST = 13
    """A list, its moderators or its subscribers changed. key: the list's id. Durable, but for
    posts that wait to be handed on: payload `post`."""


class Note(NamedTuple):
    """One hint that something changed."""

    topic: Topic
    key: int = 0
    payload: bytes = b""
    change_id: int = 0  # of the Change row of a durable note; 0: none
