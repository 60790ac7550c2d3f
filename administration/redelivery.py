"""A message of the archive once more into a mailbox, by the way that all mail takes (A-017)."""

from __future__ import annotations

from accounts import selectors
from accounts.models import User
from accounts.permissions import Verb
from administration.errors import NotDelivered
from archive import searching
from blobs.errors import StoreError
from blobs.ids import encode_id
from domains import directory
from mailboxes.errors import QuotaExceeded
from protocols.address import Address
from spool import intake, routing
from spool.errors import Refused
from spool.models import Origin
from spool.routing import Question


def deliver_again(actor: User, key: str, *, address: str) -> str:
    """The spool id of the copy; its sender is null, so that nobody gets a bounce of it.

    Raises NotPermitted, ArchivedUnknown, UserUnknown for a mailbox out of sight, NotDelivered.
    """
    user = selectors.user_for(actor, address, verb=Verb.CHANGE_USERS)
    _, content = searching.read(actor, key, verb="delivered an archived message again")
    try:
        return _hand_in(user, content)
    except (Refused, QuotaExceeded, StoreError) as error:
        raise NotDelivered(address, str(error)) from error


def _hand_in(user: User, content: bytes) -> str:
    assert user.domain is not None, "users in sight have a mailbox"
    mailbox = Address(user.local_part, user.domain.name)
    resolution = routing.resolve(mailbox, Question("", may_relay=False, is_exempt=True))
    opened = intake.begin(sender="", origin=Origin.SERVER, domain=directory.policy(user.domain.pk))
    opened.add_recipient(mailbox, resolution)
    opened.write(content)
    return encode_id(opened.commit_now())
