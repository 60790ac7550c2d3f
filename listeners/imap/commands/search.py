"""SEARCH. RFC 3501 §6.4.4."""

from __future__ import annotations

from collections.abc import Iterator

from domains.directory import Cold
from listeners import bridge
from listeners.imap.carriers import Answer, Carried, carries_out
from listeners.imap.commands.store import BAD_NUMBERS
from listeners.imap.selected import Selected
from listeners.imap.session import Session
from mailboxes.search import Snapshot
from mailboxes.search import search as find
from protocols.imap import commands
from protocols.imap.responses import Found, bad, ok
from protocols.imap.search import And, Criteria, InSequence, Not, Or

_DONE = ok("SEARCH completed")
_NOT_OFFERED = bad("This extension is not offered")


@carries_out(commands.Search)
def search(session: Session, command: commands.Search) -> Carried:
    selected = session.selected
    assert selected is not None
    if command.returns is not None:
        return _NOT_OFFERED
    if _names_numbers_beyond(command.criteria, selected.view.count):
        return BAD_NUMBERS
    snapshot = Snapshot.of(selected.view, recent_above=selected.recent_above)
    try:
        numbers = find(snapshot, command.criteria, cached_only=True)
    except Cold:
        return _search_with_waiting(session, selected, command, snapshot)
    return _answer(session, selected, command, numbers)


async def _search_with_waiting(
    session: Session, selected: Selected, command: commands.Search, snapshot: Snapshot
) -> Answer:
    numbers = await bridge.ask(find, snapshot, command.criteria)
    return _answer(session, selected, command, numbers)


def _answer(
    session: Session, selected: Selected, command: commands.Search, numbers: list[int]
) -> Answer:
    if command.by_uid:
        uids = selected.view.uids
        numbers = [uids[number - 1] for number in numbers]
    session.send(Found(numbers).encode())
    return _DONE


def _names_numbers_beyond(criteria: Criteria, count: int) -> bool:
    """Whether a message number is asked for that is none: BAD, unlike UIDs."""
    for key in _leaves(criteria):
        if isinstance(key, InSequence):
            ranges = key.numbers.resolve(count)
            if ranges and ranges[-1][1] > count:
                return True
    return False


def _leaves(criteria: Criteria) -> Iterator[Criteria]:
    if isinstance(criteria, And):
        for key in criteria.keys:
            yield from _leaves(key)
    elif isinstance(criteria, Or):
        yield from _leaves(criteria.first)
        yield from _leaves(criteria.second)
    elif isinstance(criteria, Not):
        yield from _leaves(criteria.key)
    else:
        yield criteria


@carries_out(commands.Sort)
def sort(session: Session, command: commands.Sort) -> Carried:
    return _NOT_OFFERED


@carries_out(commands.Thread)
def thread(session: Session, command: commands.Thread) -> Carried:
    return _NOT_OFFERED
