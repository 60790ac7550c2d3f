"""Brings flags that were changed on the other server to the messages here (N-061)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from blobs.committer import Job
from mailboxes.errors import MailboxError
from mailboxes.flags import ChangeFlags, How
from mailboxes.models import Flag, Message
from retrieval import bookkeeping
from retrieval.models import RemoteFolder
from retrieval.work import Visit

FOLLOWED = Flag.SEEN | Flag.ANSWERED | Flag.FLAGGED | Flag.DRAFT


async def follow(visit: Visit, row: RemoteFolder, changed: Mapping[str, int]) -> None:
    """`changed`: the flags that messages have there now, by UID.

    Messages that were moved or deleted here meanwhile are left alone.
    """
    for job in await visit.ask(_jobs, visit.task.user_id, row, changed):
        try:
            await visit.committer.commit(job)
        except MailboxError:
            continue  # the folder has gone


def _jobs(account_id: int, row: RemoteFolder, changed: Mapping[str, int]) -> list[Job]:
    places = bookkeeping.places_of(row, list(changed))
    wanted = {message_id: changed[key] for key, message_id in places.items()}
    ways: defaultdict[tuple[int, How, int], list[int]] = defaultdict(list)
    ids = list(wanted)
    for start in range(0, len(ids), 500):
        messages = Message.objects.filter(
            pk__in=ids[start : start + 500], folder__account_id=account_id
        ).values_list("pk", "folder_id", "uid", "flags")
        for message_id, folder_id, uid, flags in messages:
            there = wanted[message_id]
            if add := there & ~flags:
                ways[folder_id, How.ADD, add].append(uid)
            if remove := flags & FOLLOWED & ~there:
                ways[folder_id, How.REMOVE, remove].append(uid)
    return [
        ChangeFlags(folder_id=folder_id, uids=sorted(uids), how=how, flags=flags)
        for (folder_id, how, flags), uids in sorted(
            ways.items(), key=lambda way: (way[0][0], way[0][1].value, way[0][2])
        )
    ]
