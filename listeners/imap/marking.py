"""Setting flags of the selected folder's messages, for STORE and for FETCH."""

from __future__ import annotations

from blobs.committer import process_committer
from listeners.imap import flags as imap_flags
from listeners.imap.selected import Selected
from listeners.imap.session import Session
from mailboxes import directory
from mailboxes.flags import ChangeFlags, FlagsStored, How
from protocols.imap.commands import StoreAction

_HOW = {
    StoreAction.ADD: How.ADD,
    StoreAction.REMOVE: How.REMOVE,
    StoreAction.REPLACE: How.REPLACE,
}


async def mark(
    session: Session,
    selected: Selected,
    uids: list[int],
    action: StoreAction,
    flags: tuple[str, ...],
    *,
    unchanged_since: int | None = None,
) -> FlagsStored:
    """Change flags; the session is taken to know what it did itself."""
    bits, keywords = imap_flags.split(flags)
    folder_id = selected.folder.folder_id
    job = ChangeFlags(
        folder_id=folder_id,
        uids=uids,
        how=_HOW[action],
        flags=bits,
        keywords=keywords,
        unchanged_since=unchanged_since,
    )
    stored: FlagsStored = await process_committer().commit(job)
    if stored.change is not None:
        selected.view.silence(stored.change)
        directory.forget_folder(folder_id)
        await session.door.folders.follow(folder_id, stored.change)
    return stored
