"""Fetches what is new from an IMAP account, folder by folder (N-061). RFC 9051, RFC 7162."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from clock.moments import to_micros, utc_now
from mailboxes.models import Flag
from retrieval import bookkeeping, flagsync, folders, tree
from retrieval.bookkeeping import Known
from retrieval.errors import Paused
from retrieval.models import Afterwards
from retrieval.models import RemoteFolder as FolderRow
from retrieval.remote.imap import INBOX, ImapItem, ImapSession, RemoteFolder, RemoteView
from retrieval.work import Visit
from spool.placing import Placing

# RFC 6154 §2: views of messages that lie in other folders, too.
VIRTUAL_USES = frozenset({"\\all", "\\flagged"})
MOST_OCTETS = 1000  # of a name that is kept as the server writes it


async def fetch(visit: Visit) -> None:
    """Raises RemoteFailed, Paused, ClaimLost."""
    task = visit.task
    async with ImapSession.open(task.remote, task.limits, task.networks) as session:
        for there, here in await _places(visit, session):
            if task.is_over:
                visit.found.has_more = True
                break
            await _fetch_folder(visit, session, there, here)
        await session.logout()


async def _places(visit: Visit, session: ImapSession) -> list[tuple[RemoteFolder, str]]:
    """The folders to fetch, each with its name here; the Inbox first."""
    task = visit.task
    if not task.all_folders:
        return [(INBOX, task.target_folder)]
    standard = await visit.ask(folders.standard_names, task.user_id)
    return [
        (
            one,
            tree.local_name(
                one.name, one.special_use or "", target=task.target_folder, standard=standard
            ),
        )
        for one in wanted(await session.folders())
    ]


def wanted(found: Iterable[RemoteFolder]) -> list[RemoteFolder]:
    """Those that hold messages of their own."""
    real = [
        one
        for one in found
        if one.selectable
        and (one.special_use or "").lower() not in VIRTUAL_USES
        and len(one.raw) <= MOST_OCTETS
        and b"\0" not in one.raw
    ]
    return sorted(real, key=lambda one: (one.name.upper() != INBOX.name, one.name))


async def _fetch_folder(visit: Visit, session: ImapSession, there: RemoteFolder, here: str) -> None:
    task = visit.task
    keeps = task.afterwards == Afterwards.KEEP
    view = await session.select(there, read_only=keeps)
    row: FolderRow = await visit.ask(
        bookkeeping.folder_of, task.account_id, name_of(there), view.uidvalidity
    )
    placing: Placing = await visit.ask(folders.placing_for, visit, here)
    paused: Paused | None = None
    # A view without UIDNEXT does not tell whether there is anything new.
    if not view.uidnext or view.uidnext - 1 > row.last_uid:
        try:
            await _fetch_new(visit, session, row, placing)
        except Paused as reason:
            paused = reason
    if keeps:
        await _follow_flags(visit, session, row, view)
    else:
        await _delete(visit, session, row)
    if paused is not None:
        raise paused


def name_of(folder: RemoteFolder) -> str:
    """By which its row is known: as the server writes it, of two that look alike too."""
    return folder.raw.decode("latin-1")[:1000]


async def _fetch_new(visit: Visit, session: ImapSession, row: FolderRow, placing: Placing) -> None:
    known: dict[str, Known] = await visit.ask(bookkeeping.known, row)
    # Behind this UID nothing is left to do; what was passed over keeps it where it is.
    mark, is_whole = row.last_uid, True
    try:
        items: Sequence[ImapItem] = await session.items(row.last_uid + 1)
        for item in sorted(items, key=lambda item: item.uid):
            if visit.task.is_over:
                visit.found.has_more = True
                break
            if str(item.uid) not in known and not await _take(visit, session, row, item, placing):
                is_whole = False
            if is_whole:
                mark = max(mark, item.uid)
    finally:
        modseq = row.highest_modseq
        await visit.ask(bookkeeping.note_progress, row, last_uid=mark, highest_modseq=modseq)


async def _take(
    visit: Visit, session: ImapSession, row: FolderRow, item: ImapItem, placing: Placing
) -> bool:
    """Whether it is dealt with: it is here, or deleted there already."""
    if "\\deleted" in {flag.lower() for flag in item.flags}:
        return True
    place = replace(placing, flags=flags_of(item.flags), received_at=micros_of(item.received_at))
    chunks = partial(session.retrieve, item.uid)
    return await visit.take(row, str(item.uid), item.size, chunks, place)


def flags_of(names: Iterable[str]) -> int:
    """System flags as bits of `mailboxes.models.Flag`; others are left there. RFC 9051 §2.3.2."""
    bits = {
        "\\seen": Flag.SEEN,
        "\\answered": Flag.ANSWERED,
        "\\flagged": Flag.FLAGGED,
        "\\draft": Flag.DRAFT,
    }
    found = 0
    for name in names:
        found |= bits.get(name.lower(), 0)
    return found


def micros_of(moment: datetime | None) -> int | None:
    """INTERNALDATE; None: it is not known, or before 1970 or after tomorrow."""
    if moment is None:
        return None
    micros = to_micros(moment)
    latest = to_micros(utc_now()) + 86_400_000_000
    return micros if 0 < micros < latest else None


async def _follow_flags(
    visit: Visit, session: ImapSession, row: FolderRow, view: RemoteView
) -> None:
    """What was read or flagged there since is so here, where the server tells (CONDSTORE)."""
    latest = view.highest_modseq or 0
    if row.highest_modseq and latest > row.highest_modseq:
        changed = await session.flags_changed_since(row.highest_modseq)
        if changed:
            flags = {str(uid): flags_of(names) for uid, names in changed.items()}
            await flagsync.follow(visit, row, flags)
    if latest != row.highest_modseq:
        await visit.ask(
            bookkeeping.note_progress, row, last_uid=row.last_uid, highest_modseq=latest
        )


async def _delete(visit: Visit, session: ImapSession, row: FolderRow) -> None:
    """Delete there what is here and has stayed there long enough."""
    known: dict[str, Known] = await visit.ask(bookkeeping.known, row)
    now = utc_now()
    due = [
        key
        for key, one in known.items()
        if not one.is_deleted and visit.task.is_to_be_deleted(one.fetched_at, now)
    ]
    if due:
        await session.remove([int(key) for key in due])
        await visit.ask(bookkeeping.note_deleted, row, due, now=now)
    await visit.ask(bookkeeping.forget_deleted, row)
