"""STORE, EXPUNGE and UID EXPUNGE. RFC 3501 §6.4.6, §6.4.3, RFC 4315."""

from __future__ import annotations

from blobs.committer import process_committer
from listeners.imap.carriers import Answer, Carried, carries_out
from listeners.imap.marking import mark
from listeners.imap.selected import Selected
from listeners.imap.session import Session
from mailboxes import directory
from mailboxes.expunging import Expunge
from protocols.imap import commands
from protocols.imap.responses import bad, no, ok
from protocols.imap.sequence import encode_numbers

STORE_DONE = ok("STORE completed")
EXPUNGE_DONE = ok("EXPUNGE completed")
READ_ONLY = no("The folder is open read-only", b"READ-ONLY")
BAD_NUMBERS = bad("Message number is out of range")
_SOME_GONE = no("Some of the messages no longer exist", b"EXPUNGEISSUED")  # RFC 2180 §4.2


@carries_out(commands.Store)
def store(session: Session, command: commands.Store) -> Carried:
    selected = session.selected
    assert selected is not None
    if selected.is_read_only:
        return READ_ONLY
    picked = selected.pick(command.messages, by_uid=command.by_uid)
    if picked is None:
        return BAD_NUMBERS
    # Numbers mean what they mean now: the coroutine begins later, when others may have expunged.
    return _store(session, selected, command, selected.uids_of(picked))


async def _store(
    session: Session, selected: Selected, command: commands.Store, uids: list[int]
) -> Answer:
    stored = await mark(
        session,
        selected,
        uids,
        command.action,
        command.flags,
        unchanged_since=command.unchanged_since,
    )
    if not command.is_silent:
        session.send(_flags_of(selected, [marked.uid for marked in stored.marked], command.by_uid))
    if stored.refused:
        return _modified(selected, command, list(stored.refused))
    return STORE_DONE if len(stored.marked) == len(uids) else _SOME_GONE


def _flags_of(selected: Selected, uids: list[int], by_uid: bool) -> bytes:
    """The FETCH responses that show what became of the flags."""
    picked = selected.find(uids)
    texts = selected.flags_texts(picked)
    if not by_uid:
        rows = zip((n for n, _ in picked), texts, strict=True)
        return b"".join([b"* %d FETCH (%b)\r\n" % row for row in rows])
    numbers = [number for number, _ in picked]
    named = zip(numbers, selected.uids_of(picked), texts, strict=True)
    return b"".join([b"* %d FETCH (UID %d %b)\r\n" % row for row in named])


def _modified(selected: Selected, command: commands.Store, refused: list[int]) -> Answer:
    """RFC 7162 §3.1.3: which messages had changed meanwhile."""
    names = refused if command.by_uid else [number for number, _ in selected.find(refused)]
    return ok("Some messages were changed meanwhile", b"MODIFIED " + encode_numbers(names))


@carries_out(commands.Expunge)
def expunge(session: Session, command: commands.Expunge) -> Carried:
    selected = session.selected
    assert selected is not None
    if selected.is_read_only:
        return READ_ONLY
    uids = None
    if command.uids is not None:
        picked = selected.pick(command.uids, by_uid=True) or []
        uids = selected.uids_of(picked)
    elif not selected.has_deleted():
        return EXPUNGE_DONE
    return _expunge(session, selected, uids)


async def _expunge(session: Session, selected: Selected, uids: list[int] | None) -> Answer:
    await remove(session, selected, uids)
    return EXPUNGE_DONE


async def remove(session: Session, selected: Selected, uids: list[int] | None) -> None:
    """Remove messages flagged \\Deleted, of `uids` or all."""
    assert session.account is not None
    folder_id = selected.folder.folder_id
    job = Expunge(folder_id=folder_id, domain_id=session.account.domain_id, uids=uids)
    change = await process_committer().commit(job)
    if change is not None:
        directory.forget_folder(folder_id)
        await session.door.folders.follow(folder_id, change)
