"""Posts that go out: made of what came, written with their bytes, let go when all have them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from blobs import references
from blobs.committer import Job
from blobs.contention import tried_again
from blobs.ids import new_id
from blobs.store import NewRecord, new_body
from clock.moments import utc_now
from events.occurrences import EventType, emit
from mailinglists import posting
from mailinglists.models import MailingList, Mode, Post, Subscriber, SubscriberState
from protocols.message import facts
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

POSTED = b"post"  # the payload by which a waiting post is told


class AlreadyDone(Exception):
    """Somebody else has published it, or decided about it, meanwhile."""


def make(
    row: MailingList,
    raw: bytes,
    *,
    sender: str,
    is_guarded: bool,
    is_utf8: bool,
    body_type: str,
    spooled_id: int | None = None,
    spooled_recipient_id: int | None = None,
    approved_by: str = "",
) -> tuple[Post, NewRecord]:
    """The row and the bytes of what goes out, neither of them written yet.

    `is_guarded`: the author's domain lets nobody else send under its name (L-008).
    """
    style = posting.style_of(row)
    text = posting.compose(raw, style, rewrites_author=is_guarded, boundary=_boundary())
    came, goes = posting.read(raw), posting.read(text)
    post, record = stored(row, text, is_utf8=is_utf8, body_type=body_type)
    post.spooled_id, post.spooled_recipient_id = spooled_id, spooled_recipient_id
    post.sender, post.approved_by = sender[:330], approved_by
    post.author, post.subject, post.message_id = came.author, goes.subject, goes.message_id
    return post, record


def write(post: Post) -> None:
    """The row and the event of its acceptance (E-019), in the caller's transaction."""
    post.save(force_insert=True)
    row = post.mailing_list
    told = {
        "list": row.address,
        "poster": post.author or post.sender,
        "subject": post.subject,
        "subscribers": post.subscribers,
    }
    kind = EventType.MESSAGE_SENT_TO_MAILING_LIST
    emit(kind, domain_id=row.domain_id, at=post.accepted_at, facts=told)
    publish_on_commit(Topic.MAILING_LIST, row.pk, POSTED)


@dataclass(slots=True, kw_only=True, eq=False)
class Publishing(Job):
    """Bytes with the rows that point at them; `write` gets the cursor and may raise AlreadyDone.

    It runs in the context of whoever made the job, so that the audit trail knows who acts.
    """

    write: Callable[[Any], None]
    context: Context = field(default_factory=copy_context)

    @staticmethod
    def write_rows(jobs: Sequence[Publishing], cursor: Any) -> None:
        for job in jobs:
            try:
                with transaction.atomic():
                    job.context.copy().run(job.write, cursor)
            except AlreadyDone as error:
                job.error = error


def release_done(*, at_once: int = 500) -> int:
    """Let go of the bytes of posts that all have and no digest needs; how many."""
    released = 0
    with_bytes = Post.objects.filter(blob__isnull=False).exclude(finished_at=None)
    for list_id in list(with_bytes.order_by().values_list("mailing_list", flat=True).distinct()):
        released += _release(list_id, at_once)
    return released


@tried_again
@transaction.atomic
def _release(list_id: int, at_once: int) -> int:
    row = MailingList.objects.filter(pk=list_id).first()
    if row is None:
        return 0
    posts = Post.objects.select_for_update().filter(mailing_list=list_id, blob__isnull=False)
    posts = posts.exclude(finished_at=None).order_by("id")
    if needs_digest(list_id):
        posts = posts.exclude(mode=Mode.STANDARD, id__gt=row.digested_up_to)
    found = list(posts[:at_once])
    counts: dict[int, int] = {}
    for post in found:
        assert post.blob_id is not None
        counts[post.blob_id] = counts.get(post.blob_id, 0) - 1
    with connection.cursor() as cursor:
        references.change(cursor, counts)
    Post.objects.filter(pk__in=[post.pk for post in found]).update(blob=None)
    return len(found)


def needs_digest(list_id: int) -> bool:
    """Whether anybody on the list gets digests."""
    return Subscriber.objects.filter(mailing_list=list_id, mode=Mode.DIGEST).exists()


def forget_before(moment: datetime, *, at_once: int) -> int:
    """Delete rows of posts that went out before that moment; how many."""
    old = Post.objects.filter(blob=None, finished_at__lt=moment).order_by("id")
    ids = list(old.values_list("pk", flat=True)[:at_once])
    Post.objects.filter(pk__in=ids).delete()
    return len(ids)


def stored(
    row: MailingList, text: bytes, *, is_utf8: bool, body_type: str
) -> tuple[Post, NewRecord]:
    """What goes out as it is: a row that says nothing yet of who wrote it, and the bytes."""
    body = new_body()
    body.write(text)
    # The meta names no recipients: what a crash leaves is made anew from what is spooled.
    record = NewRecord(blob_id=new_id(), meta=b"{}", facts=facts.facts(text), body=body)
    if body_type == "7BIT" and not text.isascii():
        body_type = "8BITMIME"
    active = Subscriber.objects.filter(mailing_list=row, state=SubscriberState.ACTIVE)
    post = Post(
        id=new_id(),
        mailing_list=row,
        blob_id=record.blob_id,
        size_bytes=len(text),
        is_utf8=is_utf8,
        body_type=body_type,
        accepted_at=utc_now(),
        subscribers=active.count(),
    )
    return post, record


def _boundary() -> str:
    return f"=_{secrets.token_hex(16)}"
