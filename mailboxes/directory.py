"""Accounts to their folders and folders to their counters, from this process's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from domains.directory import Memory
from mailboxes.folders import SEPARATOR
from mailboxes.models import Folder, Subscription
from switchboard.subscribe import Switchboard
from switchboard.topics import Note, Topic


class FolderEntry(NamedTuple):
    """A folder as LIST sees it."""

    folder_id: int
    name: str
    special_use: str  # a value of SpecialUse


@dataclass(frozen=True, slots=True, eq=False)
class FolderTree:
    """What an account has: folders by name, sorted; the names that have folders below.

    A tree never changes: where something does, a new one takes its place.
    """

    folders: dict[str, FolderEntry]
    subscriptions: frozenset[str]
    parents: frozenset[str]  # also of folders that are gone while their children stay


class Counters(NamedTuple):
    """A folder as STATUS and SELECT see it."""

    account_id: int
    uidvalidity: int
    uid_next: int
    highest_modseq: int
    recent_uid: int
    messages: int
    unseen: int
    deleted: int
    bytes: int


_trees: Memory[int, FolderTree] = Memory(limit=20_000)
_counters: Memory[int, Counters | None] = Memory(limit=100_000)


def tree(account_id: int, *, cached_only: bool = False) -> FolderTree:
    """The account's folders and subscriptions. Raises Cold if `cached_only` and not known."""
    return _trees.ask(account_id, _read_tree, cached_only=cached_only)


def counters(folder_id: int, *, cached_only: bool = False) -> Counters | None:
    """None: there is no such folder (any more). Raises Cold if `cached_only` and not known."""
    return _counters.ask(folder_id, read_counters, cached_only=cached_only)


def read_counters(folder_id: int) -> Counters | None:
    """As they are in the database now."""
    row = Folder.objects.filter(pk=folder_id).values_list(*Counters._fields).first()
    return None if row is None else Counters(*row)


def follow(board: Switchboard) -> Callable[[], None]:
    """Keep true what is remembered, by notes; returns the end of it."""

    def folders_changed(notes: Sequence[Note]) -> None:
        for note in notes:
            _counters.forget(note.key)

    def trees_changed(notes: Sequence[Note]) -> None:
        for note in notes:
            _trees.forget(note.key)

    ends = (
        board.subscribe(Topic.FOLDER, None, folders_changed),
        board.subscribe(Topic.MAILBOX, None, trees_changed),
    )

    def end() -> None:
        for unsubscribe in ends:
            unsubscribe()

    return end


def forget_folder(folder_id: int) -> None:
    """Called by whoever has just changed the folder and cannot wait for the note."""
    _counters.forget(folder_id)


def forget_tree(account_id: int) -> None:
    _trees.forget(account_id)


def clear() -> None:
    _trees.clear()
    _counters.clear()


def _read_tree(account_id: int) -> FolderTree:
    rows = Folder.objects.filter(account_id=account_id).order_by("name")
    folders = {row[1]: FolderEntry(*row) for row in rows.values_list("id", "name", "special_use")}
    names = Subscription.objects.filter(account_id=account_id).values_list("name", flat=True)
    parents = {
        name[:end] for name in folders for end, letter in enumerate(name) if letter == SEPARATOR
    }
    return FolderTree(folders, frozenset(names), frozenset(parents))
