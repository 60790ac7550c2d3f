"""Mail to moderators about posts that wait, with the rows that say so: both or neither (L-005)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.core.mail import EmailMessage

from blobs.committer import Job, process_committer
from mailinglists import moderatormail
from mailinglists.models import HeldPost, Token
from mailinglists.moderatormail import Notice
from spool import backend, deliverylog
from spool.acceptance import Acceptance
from spool.errors import SpoolFull

log = structlog.get_logger(__name__)


class ToldAlready(Exception):
    """Another process was faster, or somebody has decided meanwhile."""


@dataclass(slots=True, kw_only=True, eq=False)
class HeldNotice(Job):
    """Mail to moderators about posts that wait, with the words by which they decide."""

    notice: Notice
    now: datetime
    accepted: list[Acceptance]

    @staticmethod
    def write_rows(jobs: Sequence[HeldNotice], cursor: Any) -> None:
        going = [job for job in jobs if job._is_news()]
        Token.objects.bulk_create([token for job in going for token in job.notice.tokens])
        if accepted := [one for job in going for one in job.accepted]:
            Acceptance.write_rows(accepted, cursor)

    def _is_news(self) -> bool:
        ids = self.notice.post_ids
        rows = HeldPost.objects.select_for_update().filter(pk__in=ids).order_by("pk")
        told = Token.objects.filter(held_post__in=ids, expires_at__gt=self.now)
        if len(rows) == len(ids) and not told.exists():
            return True
        self.error = ToldAlready()
        return False


def tell_moderators(now: datetime) -> int:
    """Of all that waits and they do not know of; how many posts.

    Waits for the mail to be taken: not inside of a transaction, nor from a coroutine.
    """
    count = 0
    for notice in moderatormail.untold(now=now):
        try:
            accepted = [one for message in notice.messages for one in _open(message)]
            records = [record for one in accepted for record in one.records]
            job = HeldNotice(notice=notice, now=now, accepted=accepted, records=records)
            process_committer().commit_now(job)
        except ToldAlready:
            continue
        except Exception:
            log.exception("moderators not told of posts; tried again")
            continue
        for one in accepted:
            deliverylog.accepted(one)
        count += len(notice.post_ids)
    return count


def _open(message: EmailMessage) -> list[Acceptance]:
    """Nothing, if nobody is there; raises StoreError or SpoolFull, to be tried again."""
    try:
        opened = backend.open_intake(message)
    except backend.REFUSALS as error:
        if isinstance(error, SpoolFull):
            raise
        log.warning("nobody can be told", to=message.to, error=repr(error))
        return []
    return [] if opened is None else [opened.prepare()]
