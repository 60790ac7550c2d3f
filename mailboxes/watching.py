"""The selected folders of one process: loaded once, kept true by notes, dropped when unused."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from mailboxes import changes
from mailboxes.reading import Read, read_all, read_news
from mailboxes.selected import SelectedFolder
from switchboard.subscribe import Switchboard, Unsubscribe
from switchboard.topics import Note, Topic

# Folders that nobody looks at just now are kept for the next SELECT, up to this many.
MOST_UNUSED = 1_000
MOST_UNUSED_MESSAGES = 2_000_000


class SelectedFolders:
    """Belongs to the event loop's thread; only the functions of `reading` block.

    To select a folder:

        folder = folders.get(folder_id)
        if folder is None:
            folder = folders.begin(folder_id)       # from here on notes are collected
            folders.absorb(folder, await bridge.ask(folders.read, folder))
        view = folder.view(session.folder_changed)

    `ask_reading(folder)` is called when a change was missed. It is to do the middle lines again
    soon (a moment later the missing note is often there: `folder.misses_changes`).
    A timer should compare `known_modseqs()` by `reading.find_changed` now and then, because
    notes may be lost.
    """

    def __init__(
        self, board: Switchboard, *, ask_reading: Callable[[SelectedFolder], object]
    ) -> None:
        self._board = board
        self._ask_reading = ask_reading
        self._folders: OrderedDict[int, SelectedFolder] = OrderedDict()
        self._ends: dict[int, Unsubscribe] = {}

    def get(self, folder_id: int) -> SelectedFolder | None:
        """The folder if it is in memory and true; None: it has to be read."""
        folder = self._folders.get(folder_id)
        if folder is None or not folder.is_loaded or folder.is_gone:
            return None
        self._folders.move_to_end(folder_id)
        return folder

    def begin(self, folder_id: int) -> SelectedFolder:
        """The folder, not loaded yet if nobody has it; notes about it are collected."""
        folder = self._folders.get(folder_id)
        if folder is None:
            self._drop_unused()
            folder = self._folders[folder_id] = SelectedFolder(folder_id, self._ask_reading)
            self._ends[folder_id] = self._board.subscribe(Topic.FOLDER, folder_id, self._heard)
        return folder

    @staticmethod
    def read(folder: SelectedFolder) -> Read:
        """What the folder lacks. Blocks: to be called in a thread."""
        if folder.is_loaded:
            return read_news(folder.folder_id, folder.modseq)
        return read_all(folder.folder_id)

    def absorb(self, folder: SelectedFolder, read: Read) -> None:
        """Take what `read` has brought, on the loop."""
        folder.absorb(read)
        if folder.is_gone:
            self._drop(folder.folder_id)

    def known_modseqs(self) -> dict[int, int]:
        """By folder, of those that are loaded."""
        return {
            folder_id: folder.modseq
            for folder_id, folder in self._folders.items()
            if folder.is_loaded
        }

    def close(self) -> None:
        for folder_id in list(self._folders):
            self._drop(folder_id)

    def _heard(self, notes: Sequence[Note]) -> None:
        for note in notes:
            folder = self._folders.get(note.key)
            if folder is None:
                continue
            change = changes.decode(note.payload)
            if change is not None:
                folder.apply(change)
            else:
                folder.note_unknown()

    def _drop_unused(self) -> None:
        unused = [folder for folder in self._folders.values() if not folder.views]
        messages = sum(map(len, unused))
        for folder in unused:  # the one used longest ago first
            if len(unused) <= MOST_UNUSED and messages <= MOST_UNUSED_MESSAGES:
                break
            if folder.is_loaded:
                messages -= len(folder)
                unused = unused[1:]
                self._drop(folder.folder_id)

    def _drop(self, folder_id: int) -> None:
        self._folders.pop(folder_id, None)
        end = self._ends.pop(folder_id, None)
        if end is not None:
            end()
