"""A mailbox with mail in it, in one line for each message."""

from __future__ import annotations

from accounts.models import User
from blobs.committer import process_committer
from clock.moments import to_micros, utc_now
from mailboxes import folders
from mailboxes.appending import Append
from mailboxes.models import Folder, Message


def put(
    user: User, message: bytes, folder: str = "INBOX", *, flags: int = 0, keywords: str = ""
) -> Message:
    """Bring these bytes into the folder, which is made if there is none."""
    folders.ensure_standard(account_id=user.pk, now=utc_now())
    row = Folder.objects.filter(account=user, name=folder).first()
    if row is None:
        row = Folder.objects.create(account=user, name=folder, uidvalidity=1, created_at=utc_now())
    job = Append.of(
        message, account_id=user.pk, domain_id=user.domain_id, folder_id=row.pk,
        received_at=to_micros(utc_now()), flags=flags, keywords=keywords,
    )  # fmt: skip
    process_committer().commit_now(job)
    return Message.objects.get(pk=job.delivery.message_id)
