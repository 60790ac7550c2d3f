"""LIST, LSUB, STATUS, and making, renaming, deleting and subscribing to folders. RFC 3501 §6.3."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

from clock.moments import utc_now
from domains.directory import Cold
from listeners import bridge
from listeners.imap.carriers import Answer, Carried, carries_out
from listeners.imap.commands.append import largest
from listeners.imap.commands.select import NO_FOLDER
from listeners.imap.listing import SPECIAL_USES, listed, listed_by_subscription
from listeners.imap.lookup import find_folder, folder_tree, tree_in_memory
from listeners.imap.session import Session
from mailboxes import directory, folders
from mailboxes.directory import Counters, FolderTree
from mailboxes.errors import FolderNotFound
from mailboxes.models import SpecialUse
from protocols.imap import commands
from protocols.imap.commands import StatusItem
from protocols.imap.responses import FolderStatus, no, ok

_LISTED = ok("LIST completed")
_LSUB_DONE = ok("LSUB completed")
_STATUS_DONE = ok("STATUS completed")
_CREATED = ok("CREATE completed")
_DELETED = ok("DELETE completed")
_RENAMED = ok("RENAME completed")
_SUBSCRIBED = ok("SUBSCRIBE completed")
_UNSUBSCRIBED = ok("UNSUBSCRIBE completed")
_USE_UNKNOWN = no("This special use is not offered", b"USEATTR")  # RFC 6154 §3
_USE_TAKEN = no("Another folder has this special use", b"USEATTR")

_USES = {attribute.lower(): SpecialUse(use or "") for use, attribute in SPECIAL_USES.items()}


@carries_out(commands.ListFolders)
def list_folders(session: Session, command: commands.ListFolders) -> Carried:
    tree = tree_in_memory(_account_id(session))
    if tree is None or command.status:
        return _list_with_waiting(session, command)
    session.send(_list_of(tree, command))
    return _LISTED


@lru_cache(maxsize=256)
def _list_of(tree: FolderTree, command: commands.ListFolders) -> bytes:
    """Clients ask for the same again and again; see `_status_of`."""
    return b"".join([response.encode() for response in listed(tree, command)])


async def _list_with_waiting(session: Session, command: commands.ListFolders) -> Answer:
    tree = await folder_tree(_account_id(session))
    for response in listed(tree, command):
        session.send(response.encode())
        entry = tree.folders.get(response.name)
        if command.status and entry is not None:  # RFC 5819 §2
            counters = await bridge.ask_warm(directory.counters, entry.folder_id)
            if counters is not None:
                most = await _append_limit(session, command.status)
                session.send(_status_of(entry.name, command.status, counters, most))
    return _LISTED


@carries_out(commands.ListSubscribed)
def list_subscribed(session: Session, command: commands.ListSubscribed) -> Carried:
    tree = tree_in_memory(_account_id(session))
    if tree is None:
        return _list_subscribed_with_waiting(session, command)
    return _send_subscribed(session, command, tree)


async def _list_subscribed_with_waiting(
    session: Session, command: commands.ListSubscribed
) -> Answer:
    return _send_subscribed(session, command, await folder_tree(_account_id(session)))


def _send_subscribed(
    session: Session, command: commands.ListSubscribed, tree: FolderTree
) -> Answer:
    responses = listed_by_subscription(tree, command)
    session.send(b"".join([response.encode() for response in responses]))
    return _LSUB_DONE


@carries_out(commands.Status)
def status(session: Session, command: commands.Status) -> Carried:
    tree = tree_in_memory(_account_id(session))
    entry = None if tree is None else tree.folders.get(folders.normal_name(command.folder))
    if entry is None or StatusItem.APPENDLIMIT in command.items:
        return _status_with_waiting(session, command)
    try:
        counters = directory.counters(entry.folder_id, cached_only=True)
    except Cold:
        return _status_with_waiting(session, command)
    if counters is None:
        return NO_FOLDER
    session.send(_status_of(entry.name, command.items, counters, None))
    return _STATUS_DONE


async def _status_with_waiting(session: Session, command: commands.Status) -> Answer:
    entry = await find_folder(_account_id(session), command.folder)
    if entry is None:
        return NO_FOLDER
    counters = await bridge.ask_warm(directory.counters, entry.folder_id)
    if counters is None:
        return NO_FOLDER
    most = await _append_limit(session, command.items)
    session.send(_status_of(entry.name, command.items, counters, most))
    return _STATUS_DONE


async def _append_limit(session: Session, items: tuple[StatusItem, ...]) -> int | None:
    return await largest(session) if StatusItem.APPENDLIMIT in items else None


_COUNT: dict[StatusItem, Callable[[Counters], int]] = {
    StatusItem.MESSAGES: lambda counters: counters.messages,
    StatusItem.RECENT: lambda counters: max(
        min(counters.uid_next - 1 - counters.recent_uid, counters.messages), 0
    ),
    StatusItem.UIDNEXT: lambda counters: counters.uid_next,
    StatusItem.UIDVALIDITY: lambda counters: counters.uidvalidity,
    StatusItem.UNSEEN: lambda counters: counters.unseen,
    StatusItem.DELETED: lambda counters: counters.deleted,
    StatusItem.SIZE: lambda counters: counters.bytes,
    StatusItem.HIGHESTMODSEQ: lambda counters: counters.highest_modseq,
}


@lru_cache(maxsize=4096)
def _status_of(
    name: str, items: tuple[StatusItem, ...], counters: Counters, most: int | None
) -> bytes:
    """Clients ask for the same again and again to see whether anything has changed."""
    counts = [(item, _COUNT[item](counters) if item in _COUNT else most) for item in items]
    return FolderStatus(name, counts).encode()


@carries_out(commands.Create)
async def create(session: Session, command: commands.Create) -> Answer:
    use = SpecialUse.NONE
    if command.uses:
        known = _USES.get(command.uses[0].lower())
        if known is None or len(command.uses) > 1:
            return _USE_UNKNOWN
        use = known
        tree = await folder_tree(_account_id(session))
        if any(entry.special_use == use.value for entry in tree.folders.values()):
            return _USE_TAKEN
    change = partial(folders.create, name=command.folder, special_use=use, now=utc_now())
    await _change(session, change)
    return _CREATED


@carries_out(commands.Delete)
async def delete(session: Session, command: commands.Delete) -> Answer:
    account = session.account
    assert account is not None
    await _change(
        session, partial(folders.delete, domain_id=account.domain_id, name=command.folder)
    )
    return _DELETED


@carries_out(commands.Rename)
async def rename(session: Session, command: commands.Rename) -> Answer:
    change = partial(folders.rename, name=command.folder, new_name=command.new_name, now=utc_now())
    await _change(session, change)
    return _RENAMED


@carries_out(commands.Subscribe)
async def subscribe(session: Session, command: commands.Subscribe) -> Answer:
    await _change(session, partial(folders.subscribe, name=command.folder))
    return _SUBSCRIBED


@carries_out(commands.Unsubscribe)
async def unsubscribe(session: Session, command: commands.Unsubscribe) -> Answer:
    # Thunderbird unsubscribes from the old name after RENAME, by which the subscription has got the
    # new one: a NO would tell its user that renaming or moving the folder has failed.
    with suppress(FolderNotFound):
        await _change(session, partial(folders.unsubscribe, name=command.folder))
    return _UNSUBSCRIBED


async def _change(session: Session, change: Callable[..., Any]) -> None:
    """Run a verb of mailboxes.folders for the session's account."""
    account_id = _account_id(session)
    await folder_tree(account_id)  # makes the standard folders, if there are none yet
    try:
        await bridge.ask(change, account_id=account_id)
    finally:
        directory.forget_tree(account_id)


def _account_id(session: Session) -> int:
    assert session.account is not None
    return session.account.account_id
