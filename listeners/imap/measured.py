"""Sizes and dates of the selected folder's messages, from memory or read anew."""

from __future__ import annotations

from listeners import bridge
from listeners.imap.details import Details
from listeners.imap.selected import Selected
from listeners.imap.session import Session
from mailboxes.sizes import sizes_and_dates


def known_details(session: Session, selected: Selected) -> Details | None:
    """None: `learn_details` has to be waited for."""
    uids = selected.folder.uids
    last = uids[-1] if uids else 0
    return session.door.details.of(selected.folder.folder_id, last)


async def learn_details(session: Session, selected: Selected) -> Details:
    details = known_details(session, selected)
    if details is None:
        folder_id, all_details = selected.folder.folder_id, session.door.details
        rows = await bridge.ask(sizes_and_dates, folder_id, all_details.last_uid(folder_id))
        details = all_details.absorb(folder_id, rows)
    return details
