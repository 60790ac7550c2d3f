"""Fetches what is new from a POP3 account (N-060). RFC 1939."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial

from clock.moments import utc_now
from retrieval import bookkeeping, folders
from retrieval.bookkeeping import Known
from retrieval.errors import Paused
from retrieval.models import RemoteFolder
from retrieval.remote.errors import RemoteFailed
from retrieval.remote.pop3 import Pop3Item, Pop3Session
from retrieval.work import Visit


async def fetch(visit: Visit) -> None:
    """Raises RemoteFailed, Paused, ClaimLost."""
    task = visit.task
    async with Pop3Session.open(task.remote, task.limits, task.networks) as session:
        listed = named(await session.listing())
        folder: RemoteFolder = await visit.ask(bookkeeping.folder_of, task.account_id, "", 0)
        known: dict[str, Known] = await visit.ask(bookkeeping.known, folder)
        await _compare(visit, folder, listed, known)
        placing = await visit.ask(folders.placing_for, visit, task.target_folder)
        deleted: list[str] = []
        paused: Paused | None = None
        try:
            for key, item in listed.items():
                if key not in known:
                    if task.is_over:
                        visit.found.has_more = True
                        break
                    chunks = partial(session.retrieve, item)
                    if not await visit.take(folder, key, item.size, chunks, placing):
                        continue
                fetched_at = known[key].fetched_at if key in known else utc_now()
                if task.is_to_be_deleted(fetched_at, utc_now()):
                    await session.delete(item)
                    deleted.append(key)
        except Paused as reason:
            paused = reason
        await _end(visit, session, folder, deleted)
        if paused is not None:
            raise paused


async def _end(
    visit: Visit, session: Pop3Session, folder: RemoteFolder, deleted: list[str]
) -> None:
    """QUIT alone makes deletions true. RFC 1939 §6."""
    try:
        await session.quit()
    except RemoteFailed:
        if deleted:
            raise  # what is still there is deleted by the next visit
        return
    if deleted:
        await visit.ask(bookkeeping.note_deleted, folder, deleted, now=utc_now())


def named(items: Iterable[Pop3Item]) -> dict[str, Pop3Item]:
    """By UIDL. Copies of a message may share one (RFC 1939 §7): the others get a number behind it,
    after a space, which no UIDL has.
    """
    found: dict[str, Pop3Item] = {}
    seen: Counter[str] = Counter()
    for item in items:
        seen[item.uidl] += 1
        count = seen[item.uidl]
        found[item.uidl if count == 1 else f"{item.uidl} {count}"] = item
    return found


async def _compare(
    visit: Visit, folder: RemoteFolder, listed: dict[str, Pop3Item], known: dict[str, Known]
) -> None:
    """Names that are not listed any more are forgotten in time."""
    missing = [one for key, one in known.items() if key not in listed]
    reused = [key for key, one in known.items() if key in listed and one.is_deleted]
    if reused:
        # RFC 1939 §7 lets a server give the name of what was deleted to another message.
        await visit.ask(bookkeeping.forget_names, [known.pop(key).row_id for key in reused])
    back = [one for key, one in known.items() if key in listed and one.is_missing]
    if missing:
        await visit.ask(bookkeeping.note_missing, missing, now=utc_now())
        await visit.ask(bookkeeping.forget_missing, folder, now=utc_now())
    if back:
        await visit.ask(bookkeeping.note_present, back)
