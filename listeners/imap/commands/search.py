"""SEARCH. RFC 3501 §6.4.4, RFC 4731."""

from __future__ import annotations

from listeners import bridge
from listeners.imap.carriers import Answer, Carried, carries_out
from listeners.imap.searching import View, reads_messages
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
    if command.returns is not None:
        return _NOT_OFFERED
    if reads_messages(command.criteria):
        return _search_messages(session, selected, command)
    uids = View.of(selected, is_copy=False).find(command.criteria)
    return _answer(session, selected, command, uids)


async def _search_messages(
    session: Session, selected: Selected, command: commands.Search
) -> Answer:
    view = View.of(selected, is_copy=True)
    uids = await bridge.ask(view.find, command.criteria)
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
