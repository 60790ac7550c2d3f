"""Posts that wait: held by the agent, let go out or refused by a moderator (L-005, L-015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from blobs import references
from blobs.committer import process_committer
from blobs.contention import tried_again
from blobs.store import locate, read_body
from events import audit
from events.audit import Actor
from mailinglists import posts
from mailinglists.errors import HeldPostUnknown
from mailinglists.models import HeldPost, MailingList, Post


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused, for who writes to its author."""

    address: str  # of the list
    sender: str  # envelope sender; empty: nobody is to be told
    subject: str
    message_id: str
    text: str


def read(held: HeldPost) -> bytes:
    """The post as it came. Raises blobs.errors.StoreError."""
    return read_body(locate([held.blob_id])[held.blob_id])


def approve(*, held: HeldPost, by: Actor | None) -> Post:
    """Let it go out, as if it had just come. Raises HeldPostUnknown, blobs.errors.StoreError."""
    row = MailingList.objects.select_related("domain").filter(pk=held.mailing_list_id).first()
    if row is None or not HeldPost.objects.filter(pk=held.pk).exists():
        raise HeldPostUnknown(held.pk)
    post, record = posts.make(
        row,
        read(held),
        sender=held.sender,
        is_guarded=held.rewrites_author,
        is_utf8=held.is_utf8,
        body_type=held.body_type,
        spooled_id=held.spooled_id,
        spooled_recipient_id=held.spooled_recipient_id,
        approved_by=str(by) if by is not None else audit.current_name(),
    )

    def write(cursor: Any) -> None:
        try:
            audit.record(by, "approved post", row, described(take(held)))
        except HeldPostUnknown:
            raise posts.AlreadyDone from None
        posts.write(post)

    try:
        process_committer().commit_now(posts.Publishing(write=write, records=[record]))
    except posts.AlreadyDone:
        raise HeldPostUnknown(held.pk) from None
    return post


@tried_again
@transaction.atomic
def refuse(*, held: HeldPost, by: Actor | None, text: str = "") -> Refusal:
    """It goes out to nobody. Whoever calls tells the author, if he shall know.

    Raises HeldPostUnknown.
    """
    row = take(held)
    audit.record(by, "refused post", row.mailing_list, described(row))
    return Refusal(row.mailing_list.address, row.sender, row.subject, row.message_id, text)


def take(held: HeldPost) -> HeldPost:
    """Out of what waits, in the caller's transaction. Raises HeldPostUnknown."""
    rows = HeldPost.objects.select_related("mailing_list__domain").select_for_update(of=("self",))
    row = rows.filter(pk=held.pk).first()
    if row is None:
        raise HeldPostUnknown(held.pk)
    HeldPost.objects.filter(pk=row.pk).delete()
    with connection.cursor() as cursor:
        references.change(cursor, {row.blob_id: -1})
    return row


def described(row: HeldPost) -> dict[str, tuple[object, object]]:
    """What the audit trail says of a post."""
    return {"author": (row.author, None), "subject": (row.subject, None)}
