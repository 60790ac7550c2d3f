"""What the rooms refuse, in the words of SMTP: one table."""

from __future__ import annotations

from collections.abc import Callable

from blobs.errors import StoreError, StoreFull
from mailboxes.errors import QuotaExceeded
from operations.settings import ListenerPolicy
from protocols.smtp import replies
from protocols.smtp.replies import Reply
from spool import errors

_SMTP: dict[type[Exception], Reply | Callable[[ListenerPolicy], Reply]] = {
    errors.AddressUnknown: replies.NO_SUCH_MAILBOX,
    errors.RelayDenied: replies.RELAY_DENIED,
    errors.DomainDisabled: lambda policy: (
        replies.RECIPIENT_DISABLED_FOR_NOW
        if policy.disabled_domain_is_temporary
        else replies.RECIPIENT_DISABLED
    ),
    errors.DomainBusy: replies.RECIPIENT_DISABLED_FOR_NOW,
    errors.AccountDisabled: replies.RECIPIENT_DISABLED,
    errors.NotForOutsiders: replies.RECIPIENT_INTERNAL,
    errors.ForwardingForbidden: replies.FORWARDING_REFUSED,
    errors.AliasLoop: replies.RECIPIENT_LOOP,
    errors.PostRefused: replies.POSTING_REFUSED,
    errors.PostTooLarge: replies.POST_TOO_LARGE,
    errors.TooManyReports: replies.RECIPIENT_GOT_REPORTS,
    errors.SpoolFull: replies.STORAGE_FULL,
    errors.MessageLoops: replies.TOO_MANY_HOPS,
    errors.BodyTooLarge: replies.MESSAGE_TOO_BIG,
    QuotaExceeded: lambda policy: (
        replies.RECIPIENT_FULL_FOR_GOOD
        if policy.over_quota_is_permanent
        else replies.RECIPIENT_FULL
    ),
    StoreFull: replies.STORAGE_FULL,
    StoreError: replies.TRY_AGAIN_LATER,
}

# For an except clause: all that the table knows.
REFUSALS = (errors.Refused, QuotaExceeded, StoreError)


def smtp_reply(error: Exception, policy: ListenerPolicy) -> Reply:
    """The reply that states this fact; 451 4.3.0 for one that the table does not know."""
    for kind in type(error).__mro__:
        reply = _SMTP.get(kind)
        if reply is not None:
            return reply if isinstance(reply, Reply) else reply(policy)
    return replies.TRY_AGAIN_LATER
