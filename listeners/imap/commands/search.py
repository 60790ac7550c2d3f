"""SEARCH. RFC 3501 §6.4.4, RFC 4731."""

from __future__ import annotations

from listeners import bridge
from listeners.imap import searching
from listeners.imap.carriers import Answer, Carried, carries_out
from listeners.imap.commands.store import BAD_NUMBERS
from listeners.imap.details import Details
from listeners.imap.measured import known_details, learn_details
from listeners.imap.searching import Snapshot
from listeners.imap.selected import Selected
from listeners.imap.session import Session
from protocols.imap import commands
from protocols.imap.responses import Found, bad, ok

_DONE = ok("SEARCH completed")
_NOT_OFFERED = bad("This extension is not offered")


@carries_out(commands.Search)
def search(session: Session, command: commands.Search) -> Carried:
    selected = session.selected
    assert selected is not None
    criteria = command.criteria
    if command.returns is not None:
        return _NOT_OFFERED
    if searching.names_numbers_beyond(criteria, selected.view.count):
        return BAD_NUMBERS
    if searching.reads_messages(criteria):
        return _search_with_waiting(session, selected, command)
    details: Details | None = Details()
    if searching.needs_details(criteria):
        details = known_details(session, selected)
    if details is None:
        return _search_with_waiting(session, selected, command)
    uids = Snapshot.of(selected, details, is_copy=False).find(criteria)
    return _answer(session, selected, command, uids)


async def _search_with_waiting(
    session: Session, selected: Selected, command: commands.Search
) -> Answer:
    details = await learn_details(session, selected)
    snapshot = Snapshot.of(selected, details, is_copy=True)
    uids = await bridge.ask(snapshot.find, command.criteria)
    return _answer(session, selected, command, uids)


def _answer(
    session: Session, selected: Selected, command: commands.Search, uids: list[int]
) -> Answer:
    found = uids if command.by_uid else [pick.number for pick in selected.find(uids)]
    session.send(Found(found).encode())
    return _DONE


@carries_out(commands.Sort)
def sort(session: Session, command: commands.Sort) -> Carried:
    return _NOT_OFFERED


@carries_out(commands.Thread)
def thread(session: Session, command: commands.Thread) -> Carried:
    return _NOT_OFFERED
