"""Hands posts of lists on to their subscribers, in batches, each exactly once (L-003).

How far a post is stands in its row and moves in the transaction that puts a batch into the spool:
whoever dies between two batches has done all of the one and nothing of the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from django.db.models import Q

from blobs.committer import Committer, Job
from blobs.ids import encode_id, new_id
from clock.moments import to_micros, utc_now
from domains import directory as domain_directory
from domains.policy import DomainPolicy
from mailboxes.errors import QuotaExceeded
from mailinglists import bounces, signedids
from mailinglists.addresses import Part
from mailinglists.models import Post, Subscriber, SubscriberState
from protocols.address import Address
from spool import freespace, intakedecisions, routing, schedule, settings
from spool.acceptance import Acceptance, AcceptedRecipient
from spool.errors import (
    AccountDisabled,
    AddressUnknown,
    DomainBusy,
    DomainDisabled,
    PostRefused,
    Refused,
    SpoolFull,
)
from spool.models import Kind, Origin
from spool.recording import Ask
from spool.routing import Question
from spool.settings import SpoolPolicy
from switchboard.subscribe import Switchboard
from switchboard.topics import Topic

log = structlog.get_logger(__name__)

BATCH = 250
AT_ONCE = 4  # posts that take turns
CANDIDATES = 50  # of which those in closed domains are passed over
LEASE = timedelta(seconds=30)  # until another process takes over what this one has left
LOOK_SECONDS = 5.0  # a lost hint costs at most this
PAUSE_SECONDS = 5.0  # after the disk or the database refused

_ADVANCE = (
    "UPDATE mailinglists_post SET reached_id = %s, copies = copies + %s, claimed_until = %s,"
    " finished_at = %s WHERE id = %s AND reached_id = %s AND finished_at IS NULL"
)


_REASONS: dict[type[Exception], str] = {
    AddressUnknown: "there is no such address here",
    DomainBusy: "the domain is busy",
    DomainDisabled: "the domain is switched off",
    AccountDisabled: "the mailbox is switched off",
    PostRefused: "the address is a list that does not take it",
}


class Superseded(Exception):
    """Another process is further with this post."""


class Distributor:
    """One for each mail process; one batch at a time, so that this is all its memory."""

    def __init__(self, board: Switchboard, committer: Committer, ask: Ask) -> None:
        """`ask` calls a plain function in a thread."""
        self.is_paused = False
        self._board = board
        self._committer = committer
        self._ask = ask
        self._wake = asyncio.Event()
        self._rests = asyncio.Event()
        self._rests.set()

    async def run(self) -> None:
        """For ever; ends when its task is cancelled."""
        unsubscribe = self._board.subscribe(Topic.MAILING_LIST, None, lambda _: self._wake.set())
        try:
            while True:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await self._work()
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()
        finally:
            unsubscribe()

    async def paused(self) -> None:
        """Until the batch that is under way has ended."""
        await self._rests.wait()

    async def _work(self) -> None:
        """Until nothing is left; batch by batch in turns, so that no long list holds up others."""
        self._rests.clear()
        in_hand: list[Post] = []
        try:
            while not self.is_paused:
                if len(in_hand) < AT_ONCE and (post := await self._ask(claim, utc_now())):
                    in_hand.append(post)
                if not in_hand:
                    return
                for post in tuple(in_hand):
                    if await self._hand_on(post):
                        in_hand.remove(post)
        except Exception:
            log.exception("a post could not be handed on; tried again soon")
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._rests.set()
            if in_hand:
                await self._ask(let_go, [post.pk for post in in_hand])

    async def _hand_on(self, post: Post) -> bool:
        """One batch; whether that was the last, or another process has taken over."""
        batch: HandOn = await self._ask(next_batch, post, utc_now())
        try:
            await self._committer.commit(batch)
        except Superseded:
            return True
        post.reached_id = batch.reached_id
        for lost in batch.unreachable:
            await self._ask(
                bounces.record_bounce,
                subscriber_id=lost.subscriber_id,
                is_permanent=lost.is_permanent,
                now=utc_now(),
                words=lost.words,
            )
        return batch.is_last


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A subscriber whose address leads nowhere on this server, and why."""

    subscriber_id: int
    is_permanent: bool
    words: str


def claim(now: datetime) -> Post | None:
    """The oldest post that nobody works on, for this process; None: there is none.

    Those of a domain that is switched off or closed wait (D-036).
    """
    free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    waiting = Post.objects.filter(finished_at=None).filter(free).order_by("id")
    sending = waiting.filter(mailing_list__domain__is_disabled=False)
    for post in sending.select_related("mailing_list__domain")[:CANDIDATES]:
        domain = domain_directory.policy(post.mailing_list.domain_id)
        if domain is None or domain.is_closed:
            continue
        mine = Post.objects.filter(pk=post.pk, finished_at=None).filter(free)
        if mine.update(claimed_until=now + LEASE):
            return post
    return None


def let_go(post_ids: Sequence[int]) -> None:
    """Others need not wait until the claims lapse."""
    Post.objects.filter(pk__in=post_ids, finished_at=None).update(claimed_until=None)


@dataclass(slots=True, kw_only=True, eq=False)
class HandOn(Job):
    """One batch of a post into the spool, with how far the post is then, or neither."""

    post_id: int
    reached_before: int
    reached_id: int
    is_last: bool
    now: int
    copies: list[Acceptance] = field(default_factory=list)
    unreachable: list[Unreachable] = field(default_factory=list)

    @staticmethod
    def write_rows(jobs: Sequence[HandOn], cursor: Any) -> None:
        lapses_at = max(job.now for job in jobs) + LEASE // timedelta(microseconds=1)
        for job in sorted(jobs, key=lambda job: job.post_id):
            count = sum(len(one.recipients) for one in job.copies)
            until = None if job.is_last else lapses_at
            ended_at = job.now if job.is_last else None
            place = job.post_id, job.reached_before
            cursor.execute(_ADVANCE, (job.reached_id, count, until, ended_at, *place))
            if not cursor.rowcount:
                job.error = Superseded()
            elif job.copies:
                Acceptance.write_rows(job.copies, cursor)


def next_batch(post: Post, now: datetime) -> HandOn:
    """The next subscribers with their routes. Asks directories. Raises SpoolFull.

    Who has subscribed since the post came does not get it.
    """
    policy = settings.current()
    if freespace.is_low(policy):
        raise SpoolFull
    rows = list(
        Subscriber.objects.filter(
            mailing_list=post.mailing_list_id,
            mode=post.mode,
            state=SubscriberState.ACTIVE,
            id__gt=post.reached_id,
            id__lt=post.pk,
        )
        .order_by("id")
        .values_list("id", "address")[:BATCH]
    )
    batch = HandOn(
        post_id=post.pk,
        reached_before=post.reached_id,
        reached_id=rows[-1][0] if rows else post.reached_id,
        is_last=len(rows) < BATCH,
        now=to_micros(now),
    )
    domain = domain_directory.policy(post.mailing_list.domain_id)
    if domain is None or not rows:
        return batch
    maker = _Maker(post, domain, policy, now)
    for subscriber_id, address in rows:
        if (lost := maker.add(subscriber_id, address)) is not None:
            batch.unreachable.append(lost)
    batch.copies = maker.copies()
    return batch


class _Maker:
    """Messages of one batch: those that need SMTPUTF8 for their recipients apart."""

    def __init__(
        self, post: Post, domain: DomainPolicy, policy: SpoolPolicy, now: datetime
    ) -> None:
        self._post = post
        self._domain = domain
        self._policy = policy
        self._now = now
        self._name = post.mailing_list.local_part
        self._sender = f"{self._name}{Part.BOUNCES}@{domain.name}"
        self._question = Question(self._sender, may_relay=True, is_exempt=True)
        self._taken: dict[bool, list[AcceptedRecipient]] = {}
        self._left_out: list[dict[str, Any]] = []

    def add(self, subscriber_id: int, text: str) -> Unreachable | None:
        """Why the subscriber cannot be reached; None: he can."""
        address = Address.parse(text)
        try:
            resolution = routing.resolve(address, self._question)
        except (Refused, QuotaExceeded) as error:
            words = f"{_REASONS.get(type(error), type(error).__name__)}: {error}"
            left_out = {"step": "subscriber left out", "address": text, "reason": words}
            self._left_out.append(left_out)
            is_permanent = not isinstance(error, DomainBusy | DomainDisabled | QuotaExceeded)
            return Unreachable(subscriber_id, is_permanent, words)
        path = signedids.return_path(self._name, self._domain.name, subscriber_id)
        for target in resolution.targets:
            is_ascii = Address.parse(target.address).is_ascii
            recipient = AcceptedRecipient(
                target, address.encode(), "", "", priority=5, return_path=path
            )
            self._taken.setdefault(is_ascii, []).append(recipient)
        return None

    def copies(self) -> list[Acceptance]:
        return [self._message(taken, is_ascii) for is_ascii, taken in self._taken.items()]

    def _message(self, recipients: list[AcceptedRecipient], is_ascii: bool) -> Acceptance:
        post, now = self._post, to_micros(self._now)
        decisions: list[dict[str, Any]] = [
            {
                "step": "list",
                "address": f"{self._name}@{self._domain.name}",
                "targets": [encode_id(post.spooled_id)] if post.spooled_id else [],
            },
            *self._left_out,
        ]
        decisions += intakedecisions.set_priorities(
            recipients,
            kind=Kind.LIST,
            size_bytes=post.size_bytes,
            domain_id=self._domain.domain_id,
            manual=None,
        )
        if self._policy.hold_rules:
            decisions += intakedecisions.hold(
                recipients,
                self._policy.hold_rules,
                sender=self._sender,
                domain_id=self._domain.domain_id,
                now=self._now,
                quarantine=self._policy.quarantine,
            )
        expires_at = schedule.expires_at(
            accepted_at=self._now, sender=self._sender, policy=self._policy.retries
        )
        message = {
            "id": new_id(), "origin": Origin.SERVER.value, "kind": Kind.LIST.value,
            "sender": self._sender, "domain_id": self._domain.domain_id,
            "message_id": post.message_id, "sender_account_id": None,
            "size_bytes": post.size_bytes, "client_address": "", "client_name": "",
            "protocol": "", "body_type": post.body_type,
            "smtputf8": post.is_utf8 or not is_ascii, "ret": "HDRS", "envid": "",
            "manual_priority": None, "accepted_at": now, "expires_at": to_micros(expires_at),
            "delay_notice_at": None, "decisions": msgspec.json.encode(decisions).decode(),
        }  # fmt: skip
        return Acceptance(
            message=message,
            recipients=recipients,
            first_try_at=now,
            stored_blob_id=post.blob_id,
            list_id=post.mailing_list_id,
        )
