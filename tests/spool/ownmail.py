"""Mail that the server itself has written, as it lies in the mailboxes."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

from mailboxes import selectors
from mailboxes.models import Message
from spool.models import Kind, SpooledMessage


def own_mail(kind: Kind) -> list[EmailMessage]:
    """What was delivered of that kind, the first one first."""
    spooled = SpooledMessage.objects.filter(kind=kind).values("id")
    found = []
    for row in Message.objects.filter(spooled_id__in=spooled).order_by("spooled_id", "pk"):
        octets = selectors.read_messages(row.folder_id, [row.uid])[row.uid].read()
        message = message_from_bytes(octets, policy=policy.default)
        assert isinstance(message, EmailMessage)
        found.append(message)
    return found
