"""A whole mailbox as one file: a ZIP with an mbox for each folder, written piece by piece."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, BinaryIO, NamedTuple

from accounts.models import User
from blobs.errors import BlobDamaged, BlobGone
from blobs.store import locate
from mailboxes.mboxnames import names_for
from mailboxes.models import Flag, Folder, Message, Subscription
from mailboxes.selectors import StoredMessage
from protocols.message import mbox
from protocols.message.facts import Facts, facts

CONTENTS = "folders.json"
PIECE_BYTES = 1 << 20
ROWS_AT_ONCE = 500

_NO_FACTS = Facts(facts(b""))

Tell = Callable[[int], None]


@dataclass(slots=True)
class Written:
    """What is in the file, and what could not be read."""

    messages: int = 0
    size_bytes: int = 0  # of the messages, unpacked
    damaged: list[str] = field(default_factory=list)


class _Row(NamedTuple):
    message_id: int
    uid: int
    flags: int
    keywords: str
    received_at: datetime
    prefix: str
    size_bytes: int
    blob_id: int


def write(file: BinaryIO, account: User, *, now: datetime, tell: Tell) -> Written:
    """All that is in the mailbox now; `tell` gets the number of messages so far and may raise.

    What is expunged meanwhile is left out. Raises OSError.
    """
    done = Written()
    folders = list(Folder.objects.filter(account=account).order_by("name"))
    names = names_for(folder.name for folder in folders)
    at = time.gmtime(now.timestamp())[:6]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for folder in folders:
            with _opened(made, names[folder.name], at) as mail:
                _write_folder(mail, folder, done, tell)
        with _opened(made, CONTENTS, at) as listing:
            listing.write(_contents(account, folders, names, now))
    return done


def _opened(made: zipfile.ZipFile, name: str, at: tuple[int, int, int, int, int, int]) -> IO[bytes]:
    entry = zipfile.ZipInfo(name, at)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return made.open(entry, "w", force_zip64=True)


def _write_folder(mail: IO[bytes], folder: Folder, done: Written, tell: Tell) -> None:
    for row, message in _messages(folder):
        try:
            _write_message(mail, row, message)
        except (BlobDamaged, BlobGone) as error:
            done.damaged.append(f"{folder.name}, UID {row.uid}: {error}")
        else:
            done.messages += 1
            done.size_bytes += row.size_bytes
        tell(done.messages + len(done.damaged))


def _messages(folder: Folder) -> Iterator[tuple[_Row, StoredMessage]]:
    """By rising UID, up to where the folder ended when it was looked at."""
    after = 0
    while True:
        found = Message.objects.filter(
            folder=folder.pk, uid__gt=after, uid__lt=folder.uid_next
        ).order_by("uid")
        rows = [_Row(*values) for values in found.values_list(
            "id", "uid", "flags", "keywords", "received_at", "prefix", "size_bytes", "blob_id"
        )[:ROWS_AT_ONCE]]  # fmt: skip
        if not rows:
            return
        places = locate({row.blob_id for row in rows})
        for row in rows:
            place = places.get(row.blob_id)
            if place is not None:  # else expunged and swept since
                yield row, StoredMessage(
                    row.message_id, row.uid, row.size_bytes, 0, row.prefix.encode(), place,
                    _NO_FACTS,
                )  # fmt: skip
        after = rows[-1].uid


def _write_message(mail: IO[bytes], row: _Row, message: StoredMessage) -> None:
    """The first piece is read before anything is written; a small message is checked whole."""
    quoter = mbox.Quoter()
    pieces = _pieces(message)
    first = next(pieces)
    mail.write(mbox.separator(_sender(row.prefix), row.received_at.timestamp()))
    mail.write(
        mbox.marks(
            is_seen=bool(row.flags & Flag.SEEN),
            is_answered=bool(row.flags & Flag.ANSWERED),
            is_flagged=bool(row.flags & Flag.FLAGGED),
            is_deleted=bool(row.flags & Flag.DELETED),
            is_draft=bool(row.flags & Flag.DRAFT),
            keywords=row.keywords.split(),
        )
    )
    try:
        mail.write(quoter.feed(mbox.without_marks(first)))
        for piece in pieces:
            mail.write(quoter.feed(piece))
    finally:
        mail.write(quoter.finish())  # the next message begins on a line of its own


def _pieces(message: StoredMessage) -> Iterator[bytes]:
    if message.size_bytes <= PIECE_BYTES:
        yield message.read()
        return
    for start in range(0, message.size_bytes, PIECE_BYTES):
        yield message.read_range(start, min(start + PIECE_BYTES, message.size_bytes))


def _sender(prefix: str) -> str:
    """Of the envelope, as the Return-Path of this copy says."""
    name, _, value = prefix.partition("\r\n")[0].partition(":")
    return value.strip().strip("<>") if name.lower() == "return-path" else ""


def _contents(
    account: User, folders: Sequence[Folder], names: dict[str, str], now: datetime
) -> bytes:
    """What the files cannot say: how the folders are really called, and what they are for."""
    listing = {
        "address": str(account),
        "made_at": now.isoformat(timespec="seconds"),
        "folders": [
            {
                "file": names[folder.name],
                "name": folder.name,
                "special_use": folder.special_use,
                "uidvalidity": folder.uidvalidity,
                "uid_next": folder.uid_next,
                "messages": folder.messages,
            }
            for folder in folders
        ],
        "subscriptions": list(
            Subscription.objects.filter(account=account)
            .order_by("name")
            .values_list("name", flat=True)
        ),
    }
    return json.dumps(listing, indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
