"""What changed in a folder, as a value: published on commit, applied by whoever looks."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

MAX_PAYLOAD_BYTES = 4_000  # of a note; a larger change says only: look for yourself

_HEAD = struct.Struct("<BQ")
_ENTRY = struct.Struct("<IHH")  # uid, flags, bytes of the keywords that follow
_UID = struct.Struct("<I")


class Kind(IntEnum):
    ADDED = 1
    FLAGS = 2
    EXPUNGED = 3


class Marked(NamedTuple):
    """A message's UID and its flags now."""

    uid: int
    flags: int
    keywords: str = ""  # separated by one space


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one folder.

    Each change raises the folder's highest MODSEQ by exactly one, so a gap shows that another
    change has been missed.
    """

    kind: Kind
    modseq: int
    marked: Sequence[Marked] = ()  # of ADDED and FLAGS, UIDs rising
    uids: Sequence[int] = ()  # of EXPUNGED, rising

    def encode(self) -> bytes:
        """At most MAX_PAYLOAD_BYTES; empty if it does not fit."""
        head = _HEAD.pack(self.kind, self.modseq)
        if self.kind == Kind.EXPUNGED:
            if len(self.uids) * _UID.size > MAX_PAYLOAD_BYTES - len(head):
                return b""
            return head + struct.pack(f"<{len(self.uids)}I", *self.uids)
        if len(self.marked) * _ENTRY.size > MAX_PAYLOAD_BYTES - len(head):
            return b""
        payload = head + b"".join(_encode_marked(self.marked))
        return payload if len(payload) <= MAX_PAYLOAD_BYTES else b""


def _encode_marked(marked: Iterable[Marked]) -> Iterable[bytes]:
    for uid, flags, keywords in marked:
        text = keywords.encode() if keywords else b""
        yield _ENTRY.pack(uid, flags, len(text)) + text


def decode(payload: bytes) -> Change | None:
    """None: the note only says that something changed, or it cannot be read."""
    try:
        number, modseq = _HEAD.unpack_from(payload)
        kind = Kind(number)
        if kind == Kind.EXPUNGED:
            uids = tuple(uid for (uid,) in _UID.iter_unpack(payload[_HEAD.size :]))
            return Change(kind, modseq, uids=uids)
        return Change(kind, modseq, marked=tuple(_decode_marked(payload)))
    except (struct.error, ValueError):
        return None


def _decode_marked(payload: bytes) -> Iterable[Marked]:
    position = _HEAD.size
    while position < len(payload):
        uid, flags, length = _ENTRY.unpack_from(payload, position)
        position += _ENTRY.size
        if position + length > len(payload):
            raise ValueError("cut short")
        yield Marked(uid, flags, payload[position : position + length].decode())
        position += length


def publish(folder_id: int, change: Change) -> None:
    """Tell every process once the present transaction is committed."""
    publish_on_commit(Topic.FOLDER, folder_id, change.encode())


def publish_unknown(folder_id: int) -> None:
    """Tell that the folder has to be looked at anew, or is gone."""
    publish_on_commit(Topic.FOLDER, folder_id)


def publish_folders(account_id: int) -> None:
    """Tell that the account's folders or subscriptions are others now."""
    publish_on_commit(Topic.MAILBOX, account_id)
