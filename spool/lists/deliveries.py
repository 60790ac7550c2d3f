"""Has the agent for lists take what came through the spool, and writes what became of it."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from blobs import references
from blobs.committer import Committer
from clock.moments import to_micros, utc_now
from mailinglists import posts
from mailinglists.addresses import Part
from mailinglists.models import HeldPost, Post
from protocols.smtp.outgoing import Verdict
from spool.acceptance import Acceptance
from spool.agents import mailinglist
from spool.agents.mailinglist import FAULT, Incoming, Taken
from spool.decisions import Settled
from spool.lists import judging
from spool.lists.authors import Authors
from spool.models import State
from spool.recording import Ask, Recorder
from spool.settlement import ClaimLost, RecipientEnd, still_ours, write_entries, write_settled
from spool.undertakings import Undertakings
from spool.work import ClaimedRecipient, Entry
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

log = structlog.get_logger(__name__)

AT_ONCE = 4


class ListDeliveries:
    """Some at once; each that is added is recorded or committed once."""

    def __init__(
        self, committer: Committer, recorder: Recorder, authors: Authors, *, owner: int, ask: Ask
    ) -> None:
        """`ask` calls a plain function in a thread."""
        self._committer = committer
        self._recorder = recorder
        self._authors = authors
        self._owner = owner
        self._ask = ask
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.under_way = Undertakings()  # broken off, what was not committed stays claimed

    def add(self, recipient: ClaimedRecipient) -> None:
        self.under_way.begin(self._deliver(recipient))

    async def _deliver(self, recipient: ClaimedRecipient) -> None:
        async with self._slots:
            started_at = to_micros(utc_now())
            try:
                await self._write(recipient, await self._take(recipient), started_at)
            except Exception:
                log.exception("a mailing list could not take a message by a fault of ours")
                result = mailinglist.result(recipient, Taken(Verdict.DEFERRED, FAULT), started_at)
                self._recorder.record([replace(result, traceback=traceback.format_exc())])

    async def _take(self, recipient: ClaimedRecipient) -> Taken:
        opened: Incoming | Taken = await self._ask(mailinglist.open_one, recipient)
        if isinstance(opened, Taken):
            return opened
        if opened.part is Part.POSTS:
            return await self._post(opened)
        taken: Taken = await self._ask(mailinglist.take, opened)
        return taken

    async def _post(self, opened: Incoming) -> Taken:
        considered = await self._ask(judging.consider, opened)
        if considered is None:
            return mailinglist.failed(mailinglist.LIST_GONE)
        domain = considered.author_domain
        is_guarded = bool(domain) and await self._authors.are_guarded(domain)
        taken: Taken = await self._ask(judging.carry_out, considered, is_guarded=is_guarded)
        return taken

    async def _write(self, recipient: ClaimedRecipient, taken: Taken, started_at: int) -> None:
        result = mailinglist.result(recipient, taken, started_at)
        if taken.verdict is not Verdict.DELIVERED:
            self._recorder.record([result])  # whose sender may have to be told
            return
        state = State.DISCARDED if taken.is_discarded else State.DELIVERED
        settled = Settled(result, state, None, recipient.priority)
        job = ListDelivery(
            owner=self._owner,
            settled=settled,
            post=taken.post,
            held=taken.held,
            answers=taken.answers,
            entries=_entries(recipient, taken),
            records=[*taken.records, *(one for each in taken.answers for one in each.records)],
        )
        try:
            await self._committer.commit(job)
        except ClaimLost:
            log.warning("a list's message was taken over by another process")
        self._recorder.forget([recipient])


def _entries(recipient: ClaimedRecipient, taken: Taken) -> list[Entry]:
    if not taken.decision:
        return []
    key, message_id = recipient.recipient_id, recipient.message.message_id
    return [Entry(message_id, key, mailinglist.ACTOR, taken.decision, taken.detail)]


@dataclass(slots=True, kw_only=True, eq=False)
class ListDelivery(RecipientEnd):
    """The recipient's end with what it caused, in one transaction, or neither."""

    post: Post | None = None
    held: HeldPost | None = None
    answers: Sequence[Acceptance] = ()

    @staticmethod
    def write_rows(jobs: Sequence[ListDelivery], cursor: Any) -> None:
        found, going = still_ours(cursor, jobs)
        held = [job.held for job in going if job.held is not None]
        references.change(cursor, Counter(one.blob_id for one in held))
        for one in held:
            one.save(force_insert=True)
            publish_on_commit(Topic.MAILING_LIST, one.mailing_list_id, posts.POSTED)
        for job in going:
            if job.post is not None:
                posts.write(job.post)
        answers = [answer for job in going for answer in job.answers]
        if answers:
            Acceptance.write_rows(answers, cursor)
        write_settled(cursor, [job.settled for job in going], found)
        now = jobs[0].settled.result.finished_at
        write_entries(cursor, [(now, entry) for job in going for entry in job.entries])
