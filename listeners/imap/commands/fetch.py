"""FETCH: what the client wants to know of messages. RFC 3501 §6.4.5."""

from __future__ import annotations

from collections.abc import Sequence

from listeners import bridge
from listeners.imap import bodies
from listeners.imap.bodies import Octets
from listeners.imap.carriers import Answer, Carried, carries_out
from listeners.imap.details import Details
from listeners.imap.marking import mark
from listeners.imap.measured import known_details, learn_details
from listeners.imap.plan import END, Plan, plan
from listeners.imap.selected import Picked, Selected
from listeners.imap.session import Session
from mailboxes.models import Flag
from protocols.imap import commands
from protocols.imap.commands import StoreAction
from protocols.imap.fetch import DecodedSize, Section, Wanted
from protocols.imap.responses import bad, no, ok

AT_ONCE = 500  # messages answered without letting other sessions in between
READ_AT_ONCE = 32  # the same, where their bodies have to be read; 16 MiB at most

_NO_DETAILS = Details()
_DONE = ok("FETCH completed")
_BAD_NUMBERS = bad("Message number is out of range")
_NO_BINARY = bad("BINARY is not offered")
_SOME_GONE = no("Some of the messages no longer exist", b"EXPUNGEISSUED")  # RFC 5530


@carries_out(commands.Fetch)
def fetch(session: Session, command: commands.Fetch) -> Carried:
    selected = session.selected
    assert selected is not None
    wanted = command.wanted
    if any(_is_binary(item) for item in wanted.items):
        return _NO_BINARY
    spans = selected.spans(command.messages, by_uid=command.by_uid)
    if spans is None:
        return _BAD_NUMBERS
    how = plan(wanted, command.by_uid)
    if sum(high - low + 1 for low, high in spans) <= AT_ONCE:
        picked = _changed(selected, wanted, selected.pick_spans(spans))
        if not _unseen(selected, wanted, picked):
            lines = _answer_from_memory(session, selected, how, picked)
            if lines is not None:
                session.send(b"".join(lines))
                return _DONE
    return _fetch_with_waiting(session, selected, command, how, selected.uids_in(spans))


def _changed(selected: Selected, wanted: Wanted, picked: list[Picked]) -> list[Picked]:
    """Those that CHANGEDSINCE leaves. RFC 7162 §3.1.4.1."""
    if wanted.changed_since is None:
        return picked
    modseqs = selected.folder.modseqs
    return [pick for pick in picked if modseqs[pick[1]] > wanted.changed_since]


def _is_binary(item: object) -> bool:
    return isinstance(item, DecodedSize) or (isinstance(item, Section) and item.is_decoded)


def _answer_from_memory(
    session: Session, selected: Selected, how: Plan, picked: list[Picked]
) -> list[bytes] | None:
    """None: something has to be read first."""
    details = _NO_DETAILS
    if how.needs_details and picked:
        known = known_details(session, selected)
        if known is None:
            return None
        details = known
    if how.needs_columns_only:
        return how.heads(selected, picked, details)
    folder_id = selected.folder.folder_id
    answers = bodies.answers_at_once(folder_id, selected.uids_of(picked), how)
    if answers is None:
        return None
    heads = how.heads(selected, picked, details)
    return [head + answer + END for head, answer in zip(heads, answers, strict=True)]


async def _fetch_with_waiting(
    session: Session, selected: Selected, command: commands.Fetch, how: Plan, uids: Sequence[int]
) -> Answer:
    wanted = command.wanted
    details = await learn_details(session, selected) if how.needs_details else _NO_DETAILS
    unseen = _unseen(selected, wanted, selected.find(uids)) if wanted.sets_seen else []
    if unseen:
        await mark(session, selected, unseen, StoreAction.ADD, ("\\Seen",))
        how = plan(wanted.with_flags(), command.by_uid)
    are_all_there = True
    at_once = READ_AT_ONCE if how.sections else AT_ONCE
    for start in range(0, len(uids), at_once):
        some = uids[start : start + at_once]
        # After each wait the arrays may be others.
        still_there = selected.find(some)
        are_all_there &= len(still_there) == len(some)
        picked = _changed(selected, wanted, still_there)
        are_all_there &= await _send(session, selected, how, picked, details)
    return _DONE if are_all_there else _SOME_GONE


def _unseen(selected: Selected, wanted: Wanted, picked: list[Picked]) -> list[int]:
    """UIDs of those that get \\Seen by BODY[...] without PEEK. RFC 3501 §6.4.5."""
    if selected.is_read_only or not wanted.sets_seen:
        return []
    flags, uids = selected.folder.flags, selected.folder.uids
    return [uids[place] for _, place in picked if not flags[place] & Flag.SEEN]


async def _send(
    session: Session, selected: Selected, how: Plan, picked: list[Picked], details: Details
) -> bool:
    """Answer for these messages; False: some have gone meanwhile."""
    heads = how.heads(selected, picked, details)
    if how.needs_columns_only:
        session.send(b"".join(heads))
        await session.drained()
        return True
    uids = selected.uids_of(picked)
    answers = await bridge.ask(bodies.answers, selected.folder.folder_id, uids, how)
    for head, answer in zip(heads, answers, strict=True):
        if answer is not None:
            session.send(head)
            for octets in answer:
                await _send_octets(session, octets)
            session.send(END)
    await session.drained()
    return None not in answers


async def _send_octets(session: Session, octets: Octets) -> None:
    if isinstance(octets, bytes):
        session.send(octets)
        return
    for start, stop in octets.pieces():
        session.send(await bridge.ask(octets.message.read_range, start, stop))
        await session.drained()
