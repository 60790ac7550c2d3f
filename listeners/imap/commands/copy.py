"""COPY and MOVE. RFC 3501 §6.4.7, RFC 6851, RFC 4315."""

from __future__ import annotations

from blobs.committer import process_committer
from listeners.imap.carriers import Answer, Carried, carries_out
from listeners.imap.commands.store import BAD_NUMBERS, READ_ONLY
from listeners.imap.lookup import find_folder
from listeners.imap.session import Session
from mailboxes import directory
from mailboxes.copying import Copied, Copy
from protocols.imap import commands
from protocols.imap.responses import copy_uid_code, no, ok

NO_TARGET = no("There is no such folder", b"TRYCREATE")
_NOTHING_COPIED = ok("No messages were copied")
_NOTHING_MOVED = ok("No messages were moved")


@carries_out(commands.Copy)
def copy(session: Session, command: commands.Copy) -> Carried:
    return _begin(session, command, is_move=False)


@carries_out(commands.Move)
def move(session: Session, command: commands.Move) -> Carried:
    assert session.selected is not None
    if session.selected.is_read_only:
        return READ_ONLY
    return _begin(session, command, is_move=True)


def _begin(session: Session, command: commands.Copy | commands.Move, *, is_move: bool) -> Carried:
    selected = session.selected
    assert selected is not None
    picked = selected.pick(command.messages, by_uid=command.by_uid)
    if picked is None:
        return BAD_NUMBERS
    uids = selected.uids_of(picked)
    return _bring(session, uids, command.folder, is_move=is_move)


async def _bring(session: Session, uids: list[int], name: str, *, is_move: bool) -> Answer:
    account, selected = session.account, session.selected
    assert account is not None and selected is not None
    target = await find_folder(account.account_id, name)
    if target is None:
        return NO_TARGET
    source_id = selected.folder.folder_id
    job = Copy(
        source_id=source_id,
        source_domain_id=account.domain_id,
        uids=uids,
        target_id=target.folder_id,
        target_account_id=account.account_id,
        target_domain_id=account.domain_id,
        is_move=is_move,
    )
    copied: Copied = await process_committer().commit(job)
    if not copied.source_uids:
        return _NOTHING_MOVED if is_move else _NOTHING_COPIED
    for folder_id, change in ((target.folder_id, copied.added), (source_id, copied.expunged)):
        if change is not None:
            directory.forget_folder(folder_id)
            await session.door.folders.follow(folder_id, change)
    code = copy_uid_code(copied.uidvalidity, copied.source_uids, copied.target_uids)
    if not is_move:
        return ok("COPY completed", code)
    # RFC 6851 §4.3: COPYUID comes before the EXPUNGE responses.
    session.send(ok("Moved", code).encode())
    return ok("MOVE completed")
