"""Folders by name, from memory where they are known."""

from __future__ import annotations

from clock.moments import utc_now
from domains.directory import Cold
from listeners import bridge
from mailboxes import directory, folders
from mailboxes.directory import FolderEntry, FolderTree
from mailboxes.standard import INBOX


def tree_in_memory(account_id: int) -> FolderTree | None:
    """None: it has to be asked for with `folder_tree`."""
    try:
        tree = directory.tree(account_id, cached_only=True)
    except Cold:
        return None
    return tree if INBOX in tree.folders else None


async def folder_tree(account_id: int) -> FolderTree:
    """The account's folders; those that every account has are made at the first look."""
    tree = tree_in_memory(account_id)
    return await bridge.ask(_tree, account_id) if tree is None else tree


def _tree(account_id: int) -> FolderTree:
    tree = directory.tree(account_id)
    if INBOX not in tree.folders:
        folders.ensure_standard(account_id=account_id, now=utc_now())
        directory.forget_tree(account_id)
        tree = directory.tree(account_id)
    return tree


async def find_folder(account_id: int, name: str) -> FolderEntry | None:
    tree = await folder_tree(account_id)
    return tree.folders.get(folders.normal_name(name))
