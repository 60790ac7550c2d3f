"""Fetching by IMAP: folders, what is in them, messages as streams, and their removal. RFC 9051."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence, Sized
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from protocols.imap.answers import Exists, Fetched, FolderListed, Told
from protocols.imap.client import BodyBegins, BodyChunk, Event, astring
from protocols.imap.grammar import MAX_NUMBER
from protocols.imap.sequence import encode_numbers
from retrieval.remote import connecting, imaplogin
from retrieval.remote.connecting import Network
from retrieval.remote.errors import MessageTooBig, RemoteFailed, Stage, said
from retrieval.remote.imapdialogue import ImapDialogue
from retrieval.remote.server import Limits, Remote
from retrieval.remote.session import require_sendable
from retrieval.remote.wire import Wire

MAX_FOLDERS = 10_000
MAX_ITEMS = 300_000  # of one folder that are listed at once
UIDS_OF_A_COMMAND = 500
NOT_LISTED = "The server did not list the messages"
SPECIAL_USES = frozenset(
    {"\\all", "\\archive", "\\drafts", "\\flagged", "\\junk", "\\sent", "\\trash"}
)  # RFC 6154 §2
CODES_OF_A_VIEW = frozenset(
    {"UIDVALIDITY", "UIDNEXT", "UIDNOTSTICKY", "HIGHESTMODSEQ", "NOMODSEQ", "READ-ONLY"}
)
NOT_SELECTABLE = frozenset({"\\noselect", "\\nonexistent"})


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder of the other server."""

    name: str  # decoded, its levels parted by "/"; a "/" or control within a level is "_"
    raw: bytes  # as the server writes it
    special_use: str | None  # RFC 6154 §2, as "\\Sent"; None: no such use
    selectable: bool


INBOX = RemoteFolder("INBOX", b"INBOX", None, True)  # every server has it. RFC 3501 §5.1


@dataclass(frozen=True, slots=True)
class RemoteView:
    """A folder that was selected, as it was then."""

    uidvalidity: int  # another than before: all UIDs mean other messages now
    uidnext: int | None  # None: the server did not say
    exists: int
    highest_modseq: int | None  # None: the folder keeps none (RFC 7162)


@dataclass(frozen=True, slots=True)
class ImapItem:
    """One message of the selected folder."""

    uid: int
    size: int  # bytes, as the server says; what comes may differ
    flags: frozenset[str]  # system flags as RFC 3501 spells them, and keywords; no \\Recent
    received_at: datetime | None  # INTERNALDATE in UTC; None: the server gave no possible one


class ImapSession(ImapDialogue):
    """A log-in, and one selected folder at a time. Raises RemoteFailed from everything.

    A refusal of one command leaves the session usable; any other failure closes it.
    """

    def __init__(self, remote: Remote, limits: Limits, wire: Wire) -> None:
        super().__init__(remote, limits, wire)
        self._uidvalidity: int | None = None  # of the selected folder; None: none is selected
        self._exists = 0
        self._has_modseqs = False
        self._is_read_only = False
        self._sizes_over_limit: dict[int, int] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls, remote: Remote, limits: Limits, allowed_networks: Sequence[Network] = ()
    ) -> AsyncIterator[Self]:
        """Connect and log in; the end of the block closes the connection.

        Addresses in `allowed_networks` may be private ones. Raises TargetForbidden, LoginRefused,
        RemoteFailed.
        """
        require_sendable(remote)
        wire = await connecting.connect(remote, limits, allowed_networks)
        session = cls(remote, limits, wire)
        try:
            await imaplogin.enter(session)
            yield session
        finally:
            session.close()

    async def folders(self) -> list[RemoteFolder]:
        """All folders that the server shows, each once, in its order."""
        found: dict[bytes, RemoteFolder] = {}
        words = b'LIST "" "*"'
        if {"LIST-EXTENDED", "SPECIAL-USE"} <= self.capabilities:
            words += b" RETURN (SPECIAL-USE)"
        async with self.asking(Stage.LIST, "The server did not list its folders", words) as answers:
            async for answer in answers:
                if isinstance(answer, FolderListed) and answer.raw:
                    found.setdefault(answer.raw, _folder(answer))
                if len(found) > MAX_FOLDERS:
                    raise RemoteFailed(
                        f"The server has more than {MAX_FOLDERS} folders.", Stage.LIST
                    )
        return list(found.values())

    async def select(self, folder: RemoteFolder, *, read_only: bool) -> RemoteView:
        """Open `folder`; with `read_only` nothing in it can be changed by this session."""
        self._uidvalidity, self._exists, self._sizes_over_limit = None, 0, {}
        told: dict[str, Told] = {}
        name = said(folder.name)
        if b"\0" in folder.raw:
            raise RemoteFailed(f"No server can have the folder {name}.", Stage.LIST)
        words = [b"EXAMINE " if read_only else b"SELECT ", astring(folder.raw)]
        if "CONDSTORE" in self.capabilities:
            words.append(b" (CONDSTORE)")
        failure = f"The server did not open the folder {name}"
        async with self.asking(Stage.LIST, failure, *words) as answers:
            async for answer in answers:
                if isinstance(answer, Told) and answer.code in CODES_OF_A_VIEW:
                    told[answer.code] = answer
        uidvalidity = _number(told, "UIDVALIDITY")
        if not uidvalidity or uidvalidity > MAX_NUMBER or "UIDNOTSTICKY" in told:
            # RFC 3501 §2.3.1.1, RFC 4315 §3: next time nobody would know what was fetched.
            raise RemoteFailed(
                f"The server does not say in the folder {name} how messages are known again"
                " (UIDVALIDITY). Nothing can be fetched from it safely.",
                Stage.LIST,
            )
        self._uidvalidity = uidvalidity
        self._is_read_only = read_only or "READ-ONLY" in told
        highest = None if "NOMODSEQ" in told else _number(told, "HIGHESTMODSEQ")
        self._has_modseqs = highest is not None
        return RemoteView(
            uidvalidity, _number(told, "UIDNEXT") or None, self._exists, highest or None
        )

    async def items(self, since_uid: int) -> list[ImapItem]:
        """The messages with UIDs from `since_uid` on, ascending."""
        found: dict[int, _Gathered] = {}
        words = b"UID FETCH %d:* (UID FLAGS INTERNALDATE RFC822.SIZE)" % max(since_uid, 1)
        if not self._is_worth_asking(since_uid):
            return []
        async with self.asking(Stage.LIST, NOT_LISTED, words) as answers:
            async for answer in answers:
                # RFC 3501 §6.4.8: `n:*` holds the last message even if its UID is less than n.
                if isinstance(answer, Fetched) and (answer.uid or 0) >= since_uid:
                    if answer.uid is not None:
                        found.setdefault(answer.uid, _Gathered()).add(answer)
                    _require_bearable(found)
        return self._listed(found)

    async def flags_changed_since(self, modseq: int) -> dict[int, frozenset[str]] | None:
        """Flags, by UID, of what has changed after `modseq` (1 or more). RFC 7162 §3.1.4.1.

        None: the server or the folder keeps no such numbers.
        """
        found: dict[int, frozenset[str]] = {}
        is_worth_asking = self._is_worth_asking(1)
        if not self._has_modseqs:
            return None
        if not is_worth_asking:
            return found
        words = b"UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE %d)" % max(modseq, 1)
        async with self.asking(Stage.LIST, NOT_LISTED, words) as answers:
            async for answer in answers:
                if isinstance(answer, Fetched) and answer.uid and answer.flags is not None:
                    found[answer.uid] = answer.flags
                    _require_bearable(found)
        return found

    async def retrieve(self, uid: int) -> AsyncIterator[bytes]:
        """The message in chunks, as the server has it; whole only when the iterator ends by itself.

        \\Seen stays as it is. Raises MessageTooBig: before it is asked for where `items` has seen
        its size, and the session goes on; or in the middle, and the session is closed, as it is
        where the iterator is left early.
        """
        limit = self._limits.message_bytes
        if limit is not None and uid in self._sizes_over_limit:
            raise MessageTooBig(self._sizes_over_limit[uid], limit)
        self._require_selected(Stage.FETCH)
        words = b"UID FETCH %d (UID BODY.PEEK[])" % uid
        has_begun = is_whole = False
        failure = "The server did not give out a message"
        async with self.asking(Stage.FETCH, failure, words, streams=True) as answers:
            async for answer in answers:
                if isinstance(answer, BodyBegins):
                    if has_begun:
                        raise self.nonsense()
                    has_begun = True
                    if limit is not None and answer.size > limit:
                        raise MessageTooBig(answer.size, limit)
                elif isinstance(answer, BodyChunk):
                    yield answer.octets
                elif isinstance(answer, Fetched) and answer.body is not None:
                    # Items stand in any order: only now it is sure whose body that was.
                    if answer.uid != uid or is_whole:
                        raise self.nonsense()
                    is_whole = True
                    if answer.body:
                        yield answer.body  # a short one may come as a quoted string
        if not is_whole:
            raise RemoteFailed("The message is not on the server any more.", Stage.FETCH)

    async def remove(self, uids: Sequence[int]) -> None:
        """Mark these messages as deleted, and expunge them and no others. RFC 4315 §2.1.

        A server without UIDPLUS can only expunge all that is marked, by whomever: there they stay,
        marked as deleted, until a program of the user empties the folder. Nothing is undone if
        this fails half way.
        """
        self._require_selected(Stage.DELETE)
        if self._is_read_only:
            raise RemoteFailed("The server opened the folder for reading only.", Stage.DELETE)
        can_expunge = bool({"UIDPLUS", "IMAP4REV2"} & self.capabilities)
        for some in _slices(sorted(set(uids))):
            numbers = encode_numbers(some)
            await self.do(
                Stage.DELETE,
                "The server did not mark messages as deleted",
                b"UID STORE %b +FLAGS.SILENT (\\Deleted)" % numbers,
            )
            if can_expunge:
                await self.do(
                    Stage.DELETE,
                    "The server did not remove messages",
                    b"UID EXPUNGE %b" % numbers,
                )

    async def logout(self) -> None:
        """Say goodbye; nothing is expunged. Never fails."""
        with suppress(RemoteFailed):
            await self.do(Stage.LIST, "", b"LOGOUT")
        self.close()

    # --- inside ---

    def noticed(self, event: Event) -> None:
        """What the answers to any command may tell besides. Raises RemoteFailed."""
        if isinstance(event, Exists):
            self._exists = event.number
        elif isinstance(event, Told) and event.code == "UIDVALIDITY":
            known = self._uidvalidity
            if known is not None and event.number != known:
                text = "The server renumbered the messages of the folder meanwhile."
                raise RemoteFailed(text, self._stage)

    def _is_worth_asking(self, since_uid: int) -> bool:
        """Some servers refuse sets in an empty folder. Raises RemoteFailed."""
        self._require_selected(Stage.LIST)
        return self._exists > 0 and since_uid <= MAX_NUMBER

    def _listed(self, found: dict[int, _Gathered]) -> list[ImapItem]:
        shared: dict[frozenset[str], frozenset[str]] = {}  # most messages have the same few
        items = []
        limit = self._limits.message_bytes
        for uid, gathered in sorted(found.items()):
            item = gathered.item(uid, shared)
            items.append(item)
            if limit is not None and item.size > limit:
                self._sizes_over_limit[uid] = item.size
        return items

    def _require_selected(self, stage: Stage) -> None:
        if self._uidvalidity is None:
            raise RemoteFailed("No folder is open on the server.", stage)


@dataclass(slots=True)
class _Gathered:
    """What several responses say of one message: servers may tell of new flags in between."""

    size: int | None = None
    flags: frozenset[str] | None = None
    received_at: datetime | None = None

    def add(self, fetched: Fetched) -> None:
        self.size = self.size if fetched.size is None else fetched.size
        self.flags = self.flags if fetched.flags is None else fetched.flags
        self.received_at = fetched.received_at or self.received_at

    def item(self, uid: int, shared: dict[frozenset[str], frozenset[str]]) -> ImapItem:
        """Raises RemoteFailed: a message left out would be taken for fetched next time."""
        if self.size is None or self.flags is None:
            raise RemoteFailed("The server did not list a message completely.", Stage.LIST)
        return ImapItem(uid, self.size, shared.setdefault(self.flags, self.flags), self.received_at)


def _folder(listed: FolderListed) -> RemoteFolder:
    levels = listed.name.split(listed.delimiter) if listed.delimiter else [listed.name]
    plain = ("".join("_" if c == "/" or not c.isprintable() else c for c in x) for x in levels)
    use = next((each for each in sorted(SPECIAL_USES) if each in listed.attributes), None)
    return RemoteFolder(
        name="/".join(filter(None, plain)) or "_",
        raw=listed.raw,
        special_use=None if use is None else "\\" + use[1:].capitalize(),
        selectable=not NOT_SELECTABLE & listed.attributes,
    )


def _require_bearable(found: Sized) -> None:
    if len(found) > MAX_ITEMS:
        text = f"The folder has more than {MAX_ITEMS} messages to list."
        raise RemoteFailed(text, Stage.LIST)


def _number(told: dict[str, Told], code: str) -> int | None:
    return told[code].number if code in told else None


def _slices(uids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(uids), UIDS_OF_A_COMMAND):
        yield uids[start : start + UIDS_OF_A_COMMAND]
