"""SELECT, EXAMINE, CLOSE, UNSELECT. RFC 3501 §6.3.1, §6.3.2, §6.4.2, RFC 3691."""

from __future__ import annotations

from listeners import bridge
from listeners.imap import flags as imap_flags
from listeners.imap.carriers import Answer, Carried, carries_out
from listeners.imap.commands.store import remove
from listeners.imap.lookup import find_folder, tree_in_memory
from listeners.imap.selected import Selected
from listeners.imap.session import Session
from mailboxes import folders
from mailboxes.recent import claim_recent
from mailboxes.selected import SelectedFolder
from protocols.imap import commands
from protocols.imap.responses import Flags, no, ok, permanent_flags_code

NO_FOLDER = no("There is no such folder", b"NONEXISTENT")
_READ_WRITE = ok("SELECT completed", b"READ-WRITE")
_READ_ONLY = ok("EXAMINE completed", b"READ-ONLY")
_CLOSED = ok("CLOSE completed")
_UNSELECTED = ok("UNSELECT completed")


@carries_out(commands.Select)
def select(session: Session, command: commands.Select) -> Carried:
    # RFC 3501 §6.3.1: the folder selected before is left even if this one cannot be selected.
    session.leave_folder()
    account = session.account
    assert account is not None
    tree = tree_in_memory(account.account_id)
    entry = None if tree is None else tree.folders.get(folders.normal_name(command.folder))
    folder = None if entry is None else session.door.folders.get(entry.folder_id)
    if folder is None:
        return _select_with_waiting(session, command)
    return _enter(session, command, folder)


async def _select_with_waiting(session: Session, command: commands.Select) -> Answer:
    account = session.account
    assert account is not None
    entry = await find_folder(account.account_id, command.folder)
    folder = None if entry is None else await session.door.folders.open(entry.folder_id)
    if folder is None:
        return NO_FOLDER
    return _enter(session, command, folder)


def _enter(session: Session, command: commands.Select, folder: SelectedFolder) -> Answer:
    selected = session.selected = Selected(
        folder,
        is_read_only=command.is_read_only,
        on_change=session.folder_changed,
    )
    names = imap_flags.all_flags(folder.keywords.values())
    # RFC 3501 §7.1: \\* says that a client may make keywords of its own.
    permanent = [] if command.is_read_only else [*names, "\\*"]
    lines = [
        Flags(names).encode(),
        b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(folder), selected.recent_count),
        ok("Flags that are kept", permanent_flags_code(permanent)).encode(),
        b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % folder.uidvalidity,
        b"* OK [UIDNEXT %d] Predicted next UID\r\n" % folder.uid_next,
    ]
    unseen = selected.first_unseen()
    if unseen is not None:
        lines.append(b"* OK [UNSEEN %d] First unseen message\r\n" % unseen)
    session.send(b"".join(lines))
    if folder.recent_uid != selected.recent_above:
        session.door.run_beside(bridge.ask(claim_recent, folder.folder_id))
    return _READ_ONLY if command.is_read_only else _READ_WRITE


@carries_out(commands.Close)
def close(session: Session, command: commands.Close) -> Carried:
    selected = session.selected
    assert selected is not None
    if selected.is_read_only or not selected.has_deleted():
        session.leave_folder()
        return _CLOSED
    return _expunge_and_close(session, selected)


async def _expunge_and_close(session: Session, selected: Selected) -> Answer:
    # RFC 3501 §6.4.2: no EXPUNGE responses are sent.
    session.leave_folder()
    await remove(session, selected, None)
    return _CLOSED


@carries_out(commands.Unselect)
def unselect(session: Session, command: commands.Unselect) -> Carried:
    session.leave_folder()
    return _UNSELECTED
