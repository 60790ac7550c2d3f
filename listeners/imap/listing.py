"""Which folders LIST and LSUB show, and with which attributes. RFC 3501 §6.3.8, RFC 5258."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from mailboxes.directory import FolderTree
from mailboxes.models import SpecialUse
from protocols.imap.commands import ListFolders, ListSubscribed, Return, Selection
from protocols.imap.responses import Listed

DELIMITER = "/"

# By SpecialUse's values.
SPECIAL_USES: dict[str | None, str] = {
    SpecialUse.DRAFTS.value: "\\Drafts",
    SpecialUse.SENT.value: "\\Sent",
    SpecialUse.TRASH.value: "\\Trash",
    SpecialUse.JUNK.value: "\\Junk",
    SpecialUse.ARCHIVE.value: "\\Archive",
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


@dataclass(frozen=True, slots=True)
class _Question:
    """A LIST command taken apart once, and not for each folder."""

    is_extended: bool
    only_subscribed: bool
    only_special: bool
    is_recursive: bool
    asks_children: bool
    asks_subscribed: bool

    @classmethod
    def of(cls, command: ListFolders) -> _Question:
        selection, returns = command.selection, command.returns
        only_subscribed = Selection.SUBSCRIBED in selection
        return cls(
            command.is_extended,
            only_subscribed,
            Selection.SPECIAL_USE in selection,
            Selection.RECURSIVEMATCH in selection and only_subscribed,
            not command.is_extended or Return.CHILDREN in returns,
            only_subscribed or Return.SUBSCRIBED in returns,
        )


def listed(tree: FolderTree, command: ListFolders) -> list[Listed]:
    """The LIST responses, by name."""
    if command.patterns == ("",):
        # RFC 3501 §6.3.8: a question for the delimiter and the root of the reference.
        return [Listed("", ["\\Noselect"])]
    question = _Question.of(command)
    patterns = [_matching(command.reference + pattern) for pattern in command.patterns]
    found: list[Listed] = []
    for name in _candidates(tree, question):
        if any(pattern.fullmatch(name) for pattern in patterns):
            child_info = _child_info(tree, name) if question.is_recursive else ()
            if _is_selected(tree, question, name) or child_info:
                attributes = _attributes(tree, question, name)
                found.append(Listed(name, attributes, DELIMITER, child_info=child_info))
    return sorted(found, key=_inbox_first)


def _inbox_first(response: Listed) -> tuple[bool, str]:
    return response.name != "INBOX", response.name


def _candidates(tree: FolderTree, question: _Question) -> Iterable[str]:
    """Names that may match: folders, their missing parents, and subscribed names."""
    names = dict.fromkeys(tree.folders)
    names.update(dict.fromkeys(tree.parents))
    if question.only_subscribed:
        for name in tree.subscriptions:
            names.update(dict.fromkeys((name, *_parents(name))))
    return names


def _parents(name: str) -> Iterable[str]:
    position = name.find(DELIMITER)
    while position > 0:
        yield name[:position]
        position = name.find(DELIMITER, position + 1)


def _is_selected(tree: FolderTree, question: _Question, name: str) -> bool:
    if question.only_subscribed and name not in tree.subscriptions:
        return False
    return not question.only_special or _use(tree, name) in SPECIAL_USES


def _use(tree: FolderTree, name: str) -> str | None:
    """None: there is no such folder."""
    entry = tree.folders.get(name)
    return None if entry is None else entry.special_use


def _child_info(tree: FolderTree, name: str) -> tuple[str, ...]:
    """RFC 5258 §4: with RECURSIVEMATCH a folder also shows that children of it are selected."""
    prefix = name + DELIMITER
    if any(other.startswith(prefix) for other in tree.subscriptions):
        return (Selection.SUBSCRIBED.value,)
    return ()


def _attributes(tree: FolderTree, question: _Question, name: str) -> list[str]:
    attributes = []
    use = _use(tree, name)
    if use is None:
        attributes.append("\\NonExistent" if question.is_extended else "\\Noselect")
    if question.asks_children:
        attributes.append("\\HasChildren" if name in tree.parents else "\\HasNoChildren")
    if question.asks_subscribed and name in tree.subscriptions:
        attributes.append("\\Subscribed")
    if use in SPECIAL_USES:
        attributes.append(SPECIAL_USES[use])
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
