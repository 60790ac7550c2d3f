"""What the copy of a post has that no other one has: its return path, and how to leave (L-007)."""

from __future__ import annotations

from mailinglists import links, posting, signedids
from mailinglists.addresses import Part
from protocols.address import Address
from spool import rewriting
from spool.signatures import sign_copy
from spool.work import ClaimedRecipient, Work


def work(recipient: ClaimedRecipient, body: bytes | None, forwarded_by: str) -> Work:
    """One copy, in a transaction of its own. `forwarded_by` as `spool.planning` finds it.

    Raises StoreError.
    """
    own = own_fields(recipient)
    copy = Work([recipient], body, head=own, rewritten_sender=recipient.return_path or None)
    copy.signature = sign_copy(recipient.message, own, body)
    if forwarded_by:
        copy.head = rewriting.mark(forwarded_by) + own
        copy.rewritten_sender = rewriting.sender_for(copy.sender, forwarded_by)
    return copy


def own_fields(recipient: ClaimedRecipient) -> bytes:
    """Empty: it is no copy of a post."""
    if not recipient.return_path:
        return b""
    address = Address.parse(recipient.return_path)
    subscriber_id = signedids.returned_to(address.local_part)
    name = address.local_part.rpartition("+")[0].removesuffix(Part.BOUNCES)
    leaving = Address(f"{name}{Part.UNSUBSCRIBE}", address.domain).encode()
    url = "" if subscriber_id is None else links.one_click_url(subscriber_id)
    return posting.own_fields(leaving, url)
