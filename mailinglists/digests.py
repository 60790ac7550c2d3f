"""Digests: the posts of some hours as one message, for those who want it so (L-010).

A digest is a post of its own, which goes out as all others do. That it was made, and which posts
stand in it, is one transaction with the message itself: none is made twice, and none is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings as conf
from django.db.models import QuerySet

from blobs.committer import Job, process_committer
from blobs.errors import BlobDamaged, BlobGone
from blobs.ids import encode_id, first_id_at, new_id
from blobs.segment import NewRecord
from blobs.store import locate, read_body
from clock.moments import to_micros
from mailinglists import posting, posts
from mailinglists.addresses import Part
from mailinglists.digestrules import MOST_POSTS, Candidate, Terms, edition
from mailinglists.models import MailingList, Mode, Post, Subscriber, SubscriberState
from protocols.message import addresses, digest, headers
from protocols.message.dates import format_date
from protocols.message.digest import Digest, Edition
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

log = structlog.get_logger(__name__)

# A post that is younger may have a number below one that is being written at this moment.
SETTLED_AFTER = timedelta(seconds=10)

_MARK = (
    "UPDATE mailinglists_mailinglist SET digested_up_to = %s, digest_number = %s,"
    " last_digest_at = %s WHERE id = %s AND digested_up_to = %s"
)


class MadeAlready(Exception):
    """Another process was faster."""


@dataclass(slots=True, kw_only=True, eq=False)
class MakeDigest(Job):
    """The mark on the list, and the digest; `post` None: nobody wants it any more."""

    mailing_list: MailingList
    up_to: int
    now: datetime
    post: Post | None

    @staticmethod
    def write_rows(jobs: Sequence[MakeDigest], cursor: Any) -> None:
        for job in jobs:
            row = job.mailing_list
            number = row.digest_number + (job.post is not None)
            made_at = job.now if job.post is not None else row.last_digest_at
            moment = None if made_at is None else to_micros(made_at)
            cursor.execute(_MARK, (job.up_to, number, moment, row.pk, row.digested_up_to))
            if not cursor.rowcount:
                job.error = MadeAlready()
                continue
            if job.post is not None:
                job.post.save(force_insert=True)
                publish_on_commit(Topic.MAILING_LIST, row.pk, posts.POSTED)


def make_due(*, now: datetime) -> int:
    """All digests that are due; how many. Not inside of a transaction."""
    found = Post.objects.filter(mode=Mode.STANDARD, blob__isnull=False)
    lists = MailingList.objects.filter(pk__in=found.values("mailing_list")).order_by("pk")
    count = 0
    for number in list(lists.values_list("pk", flat=True)):
        try:
            while make_one(number, now=now):
                count += 1
        except Exception:
            log.exception("digest not made; tried again", list=number)
    return count


def make_one(list_id: int, *, now: datetime) -> Post | None:
    """The next digest of a list; None: none is due. Raises blobs.errors.StoreError."""
    row = MailingList.objects.select_related("domain").filter(pk=list_id).first()
    if row is None or row.domain.is_disabled:
        return None
    settled = _standing(row).filter(pk__lt=first_id_at(now - SETTLED_AFTER)).order_by("pk")
    waiting = [
        Candidate(post.pk, post.size_bytes, post.accepted_at) for post in settled[:MOST_POSTS]
    ]
    chosen = edition(waiting, terms_of(row), now=now)
    if not chosen:
        return None
    post, record = None, None
    if _readers(row).exists():
        post, record = _compose(row, [one.post_id for one in chosen], now)
    job = MakeDigest(
        mailing_list=row,
        up_to=chosen[-1].post_id,
        now=now,
        post=post,
        records=[record] if record is not None else [],
    )
    try:
        process_committer().commit_now(job)
    except MadeAlready:
        return None
    return post


def terms_of(row: MailingList) -> Terms:
    return Terms(row.digest_hours, row.digest_messages, row.digest_kb)


def _standing(row: MailingList) -> QuerySet[Post]:
    """Posts that stood in no digest yet, as long as their bytes are there."""
    found = Post.objects.filter(mailing_list=row, mode=Mode.STANDARD, blob__isnull=False)
    return found.filter(pk__gt=row.digested_up_to)


def _readers(row: MailingList) -> QuerySet[Subscriber]:
    return Subscriber.objects.filter(
        mailing_list=row, mode=Mode.DIGEST, state=SubscriberState.ACTIVE
    )


def _compose(row: MailingList, ids: Sequence[int], now: datetime) -> tuple[Post, NewRecord]:
    chosen = Post.objects.filter(pk__in=ids).order_by("pk")
    style = posting.style_of(row)
    number = row.digest_number + 1
    made = digest.build(
        [message for post in chosen if (message := _read(post))],
        Edition(
            title=row.local_part,
            number=number,
            at=now,
            preamble=_preamble(style),
            trailer=posting.filled(row.footer_text, style),
        ),
    )
    subject = f"{row.subject_prefix} ".lstrip() + f"{row.local_part} Digest, Issue {number}"
    message_id = f"{encode_id(new_id())}@{conf.MAILHOST_HOSTNAME}"
    message = _head(style, subject, message_id, made, now) + made.body
    post, record = posts.stored(
        row, message, is_utf8=not row.local_part.isascii(), body_type="7BIT"
    )
    post.mode, post.accepted_at, post.subscribers = Mode.DIGEST, now, _readers(row).count()
    post.author, post.subject = style.at(Part.REQUEST), subject[:250]
    post.message_id = message_id
    return post, record


def _head(
    style: posting.Style, subject: str, message_id: str, made: Digest, now: datetime
) -> bytes:
    author = addresses.format_address(f"{style.name} Digest", style.at(Part.REQUEST))
    fields = [
        headers.structured_field("From", author),
        headers.structured_field("To", style.at(Part.POSTS).encode()),
        headers.field("Subject", subject),
        headers.structured_field("Date", format_date(now)),
        headers.structured_field("Message-ID", f"<{message_id}>".encode()),
        *posting.list_fields(style),
        headers.structured_field("Auto-Submitted", b"auto-generated"),  # RFC 3834 §5
        b"MIME-Version: 1.0\r\n",
        headers.structured_field("Content-Type", made.content_type.encode()),
        b"Content-Transfer-Encoding: 8bit\r\n",
        b"\r\n",
    ]
    if style.takes_posts:
        reply_to = headers.structured_field("Reply-To", style.at(Part.POSTS).encode())
        fields.insert(2, reply_to)
    return b"".join(fields)


def _preamble(style: posting.Style) -> str:
    lines = []
    if style.takes_posts:
        lines.append(f"To post, write to {style.at(Part.POSTS)}.")
    lines += [
        f"To leave, write to {style.at(Part.UNSUBSCRIBE)}.",
        f"To get each post by itself, send the line: set mode standard {style.name}",
        f"to {style.at(Part.REQUEST)}.",
        "When you answer, put a better subject than that of the digest.",
    ]
    return "\n".join(lines)


def _read(post: Post) -> bytes:
    """Empty: its bytes are gone; the others are sent without it."""
    if post.blob_id is None:
        return b""
    try:
        return read_body(locate([post.blob_id])[post.blob_id])
    except (KeyError, BlobGone, BlobDamaged):
        log.warning("post left out of a digest: it cannot be read", post=post.pk)
        return b""
