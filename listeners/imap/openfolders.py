"""The folders that sessions of this process look at, kept true by notes and by a timer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from listeners import bridge
from listeners.imap.folder import OpenFolder
from mailboxes import changes, columns
from mailboxes.changes import Change, Kind
from mailboxes.columns import Row
from mailboxes.directory import Counters, read_counters
from switchboard.subscribe import Switchboard, Unsubscribe
from switchboard.topics import Note, Topic

log = structlog.get_logger(__name__)

# So many folders that nobody looks at stay in memory, up to so many messages in all.
LINGERING_FOLDERS = 64
LINGERING_MESSAGES = 200_000
LOOK_SECONDS = 5.0  # a lost note costs this much


class OpenFolders:
    """One OpenFolder for each folder id, whoever selects it."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._open: dict[int, OpenFolder] = {}
        self._opening: dict[int, asyncio.Task[OpenFolder | None]] = {}
        self._refreshing: dict[int, asyncio.Task[None]] = {}
        self._unsubscribe: dict[int, Unsubscribe] = {}
        self._stale: set[int] = set()

    def get(self, folder_id: int) -> OpenFolder | None:
        """The folder, if it is in memory and known to be true."""
        if folder_id in self._refreshing:
            return None
        folder = self._open.get(folder_id)
        if folder is not None:
            # The one asked for last is dropped last.
            self._open[folder_id] = self._open.pop(folder_id)
        return folder

    async def open(self, folder_id: int) -> OpenFolder | None:
        """None: there is no such folder (any more)."""
        if folder_id in self._open:
            await self.refresh(folder_id)
            return self.get(folder_id)
        task = self._opening.get(folder_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._read(folder_id))
            self._opening[folder_id] = task
            task.add_done_callback(lambda _: self._opening.pop(folder_id, None))
        return await asyncio.shield(task)

    async def _read(self, folder_id: int) -> OpenFolder | None:
        # Subscribed first: what changes while the rows are read is noticed.
        unsubscribe = self._board.subscribe(
            Topic.FOLDER, folder_id, partial(self._take_notes, folder_id)
        )
        folder = await bridge.ask(_read_folder, folder_id)
        if folder is None:
            unsubscribe()
            return None
        self._open[folder_id] = folder
        self._unsubscribe[folder_id] = unsubscribe
        if folder_id in self._stale:
            self._stale.discard(folder_id)
            await self.refresh(folder_id)
        self._drop_unused()
        return folder

    def _drop_unused(self) -> None:
        unused = [folder for folder in self._open.values() if not folder.sessions]
        count, messages = len(unused), sum(len(folder) for folder in unused)
        for folder in unused[:-1]:
            if count <= LINGERING_FOLDERS and messages <= LINGERING_MESSAGES:
                break
            self._close(folder.folder_id)
            count, messages = count - 1, messages - len(folder)

    def _close(self, folder_id: int) -> None:
        del self._open[folder_id]
        self._unsubscribe.pop(folder_id)()

    # --- changes --------------------------------------------------------------------------

    def take(self, folder_id: int, change: Change | None) -> bool:
        """Apply a change at once if it is the very next one; False: it has to be looked for."""
        folder = self._open.get(folder_id)
        if folder is None or change is None or change.modseq <= folder.modseq:
            return folder is None or change is not None
        if change.modseq != folder.modseq + 1 or change.kind is Kind.ADDED:
            return False
        if change.kind is Kind.EXPUNGED:
            folder.apply((), change.uids, change.modseq)
        else:
            folder.mark(change.marked, change.modseq)
        folder.tell()
        return True

    async def follow(self, folder_id: int, change: Change | None) -> None:
        """After a change of one's own: the columns show it when this returns."""
        if not self.take(folder_id, change):
            await self.refresh(folder_id)

    def _take_notes(self, folder_id: int, notes: Sequence[Note]) -> None:
        if folder_id not in self._open:
            self._stale.add(folder_id)
            return
        for note in notes:
            if not self.take(folder_id, changes.decode(note.payload)):
                self._look_again(folder_id)
                return

    async def refresh(self, folder_id: int) -> None:
        """Read what has changed since; waits for one that is under way and then reads anew."""
        await asyncio.shield(self._look_again(folder_id))

    def _look_again(self, folder_id: int) -> asyncio.Task[None]:
        before = self._refreshing.get(folder_id)
        if before is not None and folder_id in self._stale:
            return before  # it will read once more before it ends
        if before is not None:
            self._stale.add(folder_id)
            return before
        task = asyncio.get_running_loop().create_task(self._refresh(folder_id))
        self._refreshing[folder_id] = task
        return task

    async def _refresh(self, folder_id: int) -> None:
        try:
            while True:
                self._stale.discard(folder_id)
                folder = self._open.get(folder_id)
                if folder is None:
                    return
                since = folder.modseq
                found = await bridge.ask(columns.read_changes, folder_id, since)
                self._apply(folder, *found)
                if folder_id not in self._stale:
                    return
        finally:
            self._refreshing.pop(folder_id, None)
            folder = self._open.get(folder_id)
            if folder is not None:
                folder.tell()

    def _apply(
        self,
        folder: OpenFolder,
        counters: Counters | None,
        rows: list[Row],
        expunged: list[int],
    ) -> None:
        if counters is None or counters.uidvalidity != folder.uidvalidity:
            folder.is_gone = True
            if folder.folder_id in self._open:
                self._close(folder.folder_id)
            folder.tell()
            return
        folder.apply(rows, expunged, counters.highest_modseq)
        folder.uid_next = max(folder.uid_next, counters.uid_next)

    async def look_at_all(self) -> None:
        """Find what notes have not told; called by a timer."""
        ids = list(self._open)
        modseqs = await bridge.ask(columns.read_modseqs, ids) if ids else {}
        for folder_id in ids:
            folder = self._open.get(folder_id)
            if (folder is not None and modseqs.get(folder_id, -1) > folder.modseq) or (folder is not None and folder_id not in modseqs):
                self._look_again(folder_id)


def _read_folder(folder_id: int) -> OpenFolder | None:
    counters = read_counters(folder_id)
    if counters is None:
        return None
    folder = OpenFolder(folder_id, uidvalidity=counters.uidvalidity, recent_uid=counters.recent_uid)
    folder.uid_next = counters.uid_next
    for rows in columns.read_all(folder_id):
        folder.apply(rows, (), 0)
    folder.modseq = counters.highest_modseq
    return folder
