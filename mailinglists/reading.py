"""A post that waits, to be looked at by a person: safe text, and who looked is on record."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from blobs.errors import BlobGone
from blobs.store import locate, read_body
from events import audit
from events.audit import Actor
from mailinglists.models import HeldPost
from protocols.message import reading
from protocols.message.reading import Readable

# What is behind that is not shown.
SHOWN_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PostView:
    """What a person sees of a post; all of it is hostile text."""

    readable: Readable
    source: str
    is_cut: bool  # the post is longer than what is shown


def view(*, post: HeldPost, by: Actor | None) -> PostView:
    """Raises StoreError."""
    location = locate([post.blob_id]).get(post.blob_id)
    if location is None:
        raise BlobGone([post.blob_id])
    content = read_body(location, 0, SHOWN_BYTES)
    with transaction.atomic():
        named = {"subject": (post.subject, post.subject), "author": (post.author, post.author)}
        audit.record(by, "viewed held post", post.mailing_list, named)
    return PostView(
        readable=reading.read(content),
        source=content.decode("utf-8", "replace"),
        is_cut=post.size_bytes > SHOWN_BYTES,
    )
