"""Which folders LIST and LSUB show, and with which attributes. RFC 3501 §6.3.8, RFC 5258."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from mailboxes.directory import FolderTree
from mailboxes.models import SpecialUse
from protocols.imap.commands import ListFolders, ListSubscribed, Return, Selection
from protocols.imap.responses import Listed

DELIMITER = "/"

SPECIAL_USES = {
    SpecialUse.DRAFTS: "\\Drafts",
    SpecialUse.SENT: "\\Sent",
    SpecialUse.TRASH: "\\Trash",
    SpecialUse.JUNK: "\\Junk",
    SpecialUse.ARCHIVE: "\\Archive",
}
_FOR_WILDCARDS = {"*": ".*", "%": f"[^{DELIMITER}]*"}


@lru_cache(maxsize=1024)
def _matching(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"([*%])", pattern)
    # INBOX is INBOX in any case, at the start of a pattern too (RFC 3501 §5.1).
    if pieces[0][:5].upper() == "INBOX" and pieces[0][5:6] in ("", DELIMITER):
        pieces[0] = "INBOX" + pieces[0][5:]
    return re.compile(
        "".join(_FOR_WILDCARDS.get(piece) or re.escape(piece) for piece in pieces), re.DOTALL
    )


def listed(tree: FolderTree, command: ListFolders) -> list[Listed]:
    """The LIST responses, by name."""
    if command.patterns == ("",):
        # RFC 3501 §6.3.8: a question for the delimiter and the root of the reference.
        return [Listed("", ["\\Noselect"])]
    patterns = [_matching(command.reference + pattern) for pattern in command.patterns]
    found: dict[str, Listed] = {}
    for name in _candidates(tree, command.selection):
        if any(pattern.fullmatch(name) for pattern in patterns):
            child_info = _child_info(tree, command.selection, name)
            if _is_selected(tree, command.selection, name) or child_info:
                attributes = _attributes(tree, command, name)
                found[name] = Listed(name, attributes, DELIMITER, child_info=child_info)
    return sorted(found.values(), key=_inbox_first)


def _inbox_first(response: Listed) -> tuple[bool, str]:
    return response.name != "INBOX", response.name


def _candidates(tree: FolderTree, selection: frozenset[Selection]) -> Iterable[str]:
    """Names that may match: folders, their missing parents, and subscribed names."""
    names = dict.fromkeys(tree.folders)
    if Selection.SUBSCRIBED in selection:
        names.update(dict.fromkeys(tree.subscriptions))
    for name in tuple(names):
        for parent in _parents(name):
            names.setdefault(parent)
    return names


def _parents(name: str) -> Iterable[str]:
    position = name.find(DELIMITER)
    while position > 0:
        yield name[:position]
        position = name.find(DELIMITER, position + 1)


def _is_selected(tree: FolderTree, selection: frozenset[Selection], name: str) -> bool:
    if Selection.SUBSCRIBED in selection and name not in tree.subscriptions:
        return False
    return Selection.SPECIAL_USE not in selection or _use(tree, name) in SPECIAL_USES


def _use(tree: FolderTree, name: str) -> str | None:
    """None: there is no such folder."""
    entry = tree.folders.get(name)
    return None if entry is None else entry.special_use


def _child_info(tree: FolderTree, selection: frozenset[Selection], name: str) -> tuple[str, ...]:
    """RFC 5258 §4: with RECURSIVEMATCH a folder also shows that children of it are selected."""
    if Selection.RECURSIVEMATCH not in selection or Selection.SUBSCRIBED not in selection:
        return ()
    prefix = name + DELIMITER
    if any(other.startswith(prefix) for other in tree.subscriptions):
        return (Selection.SUBSCRIBED.value,)
    return ()


def _attributes(tree: FolderTree, command: ListFolders, name: str) -> list[str]:
    attributes = []
    use = _use(tree, name)
    if use is None:
        attributes += ["\\NonExistent"] if command.is_extended else ["\\Noselect"]
    asked = command.returns
    if not command.is_extended or Return.CHILDREN in asked:
        attributes.append("\\HasChildren" if name in tree.parents else "\\HasNoChildren")
    by_subscription = Selection.SUBSCRIBED in command.selection or Return.SUBSCRIBED in asked
    if by_subscription and name in tree.subscriptions:
        attributes.append("\\Subscribed")
    if use in SPECIAL_USES:
        attributes.append(SPECIAL_USES[SpecialUse(use)])
    return attributes


def listed_by_subscription(tree: FolderTree, command: ListSubscribed) -> list[Listed]:
    """The LSUB responses. RFC 3501 §6.3.9."""
    pattern = _matching(command.reference + command.pattern)
    found: dict[str, Listed] = {}
    for name in tree.subscriptions:
        if pattern.fullmatch(name):
            attributes = [] if name in tree.folders else ["\\Noselect"]
            found[name] = Listed(name, attributes, DELIMITER, is_lsub=True)
        elif command.pattern.endswith("%"):
            # A subscribed name below what `%` can reach shows as its parent, \\Noselect.
            for parent in _parents(name):
                if pattern.fullmatch(parent) and parent not in tree.subscriptions:
                    found[parent] = Listed(parent, ["\\Noselect"], DELIMITER, is_lsub=True)
    return sorted(found.values(), key=_inbox_first)
