"""The folders that sessions of this process look at: read in threads, kept true on the loop."""

from __future__ import annotations

import asyncio

import structlog

from listeners import bridge
from mailboxes.changes import Change
from mailboxes.reading import find_changed
from mailboxes.selected import SelectedFolder
from mailboxes.watching import SelectedFolders
from switchboard.subscribe import Switchboard

log = structlog.get_logger(__name__)

# The note that is missing is often only a moment late.
PATIENCE_SECONDS = 0.02
# The committer tells the submitter first and the switchboard a moment later.
NOTE_SECONDS = (0, 0, 0.001, 0.002, 0.005)


class OpenFolders:
    """Wraps SelectedFolders for coroutines: one reading of a folder at a time."""

    def __init__(self, board: Switchboard) -> None:
        self._folders = SelectedFolders(board, ask_reading=self._begin_reading)
        self._reading: dict[int, asyncio.Task[None]] = {}

    def get(self, folder_id: int) -> SelectedFolder | None:
        """The folder, if it is in memory and misses nothing."""
        folder = self._folders.get(folder_id)
        return None if folder is None or folder_id in self._reading else folder

    async def open(self, folder_id: int) -> SelectedFolder | None:
        """None: there is no such folder (any more)."""
        folder = self._folders.begin(folder_id)
        if folder_id in self._reading or not folder.is_loaded:
            await asyncio.shield(self._begin_reading(folder, at_once=True))
        return self._folders.get(folder_id)

    async def follow(self, folder_id: int, change: Change | None) -> None:
        """After a change of one's own: whoever looks at the folder sees it when this returns."""
        folder = self._folders.get(folder_id)
        if folder is None or change is None:
            return
        folder.apply(change)
        if folder.misses_changes:
            await asyncio.shield(self._begin_reading(folder, at_once=True))

    async def reach(self, folder_id: int, modseq: int) -> None:
        """After a change of which only the MODSEQ is known: wait for its note, or read."""
        folder = self._folders.get(folder_id)
        for seconds in NOTE_SECONDS:
            if folder is None or folder.modseq >= modseq:
                return
            await asyncio.sleep(seconds)
        if folder is not None and folder.modseq < modseq:
            await asyncio.shield(self._begin_reading(folder, at_once=True))

    def _begin_reading(
        self, folder: SelectedFolder, *, at_once: bool = False
    ) -> asyncio.Task[None]:
        task = self._reading.get(folder.folder_id)
        if task is None:
            loop = asyncio.get_running_loop()
            task = loop.create_task(self._read(folder, 0 if at_once else PATIENCE_SECONDS))
            self._reading[folder.folder_id] = task
        return task

    async def _read(self, folder: SelectedFolder, patience: float) -> None:
        try:
            modseq = folder.modseq
            if patience:
                await asyncio.sleep(patience)
            if folder.is_loaded and folder.modseq > modseq and not folder.misses_changes:
                return
            self._folders.absorb(folder, await bridge.ask(self._folders.read, folder))
        except Exception:
            log.exception("a folder could not be read", folder_id=folder.folder_id)
        finally:
            del self._reading[folder.folder_id]

    async def look_at_all(self) -> None:
        """Find what notes have not told; called by a timer."""
        known = self._folders.known_modseqs()
        if not known:
            return
        for folder_id in await bridge.ask(find_changed, known):
            folder = self._folders.get(folder_id)
            if folder is not None:
                self._begin_reading(folder)
