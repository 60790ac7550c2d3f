"""Subscribers whom somebody else adds: at once, or when they have confirmed it (L-012)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.core.mail import get_connection

from blobs.ids import new_id
from clock.moments import utc_now
from domains import directory as domain_directory
from domains.errors import Problem, ValuesRefused
from events.audit import Actor
from mailinglists import letters, membership, tokens
from mailinglists.membership import Added, NewSubscriber
from mailinglists.models import MailingList, Subscriber, SubscriberState, Token

# Each gets a message of his own, for which whoever adds them waits.
MOST_INVITED = 500


def import_subscribers(
    *,
    mailing_list: MailingList,
    rows: Iterable[NewSubscriber],
    is_confirmed: bool,
    by: Actor | None,
) -> Iterator[Added]:
    """Any number who have agreed, in batches of which each is kept; after each what became of it.

    `is_confirmed` False: at most MOST_INVITED, of whom each is mailed a word to confirm with. Not
    inside of a transaction. Raises ListUnknown, ValuesRefused.
    """
    if not is_confirmed:
        rows = list(rows)
        if len(rows) > MOST_INVITED:
            reason = f"must not be more than {MOST_INVITED} at once who have not agreed yet"
            raise ValuesRefused((Problem("addresses", reason),))
    for batch in membership.batches(rows, membership.BATCH):
        before = new_id()  # ids grow with time
        added = membership.add_subscribers(
            mailing_list=mailing_list, rows=batch, by=by, is_confirmed=is_confirmed
        )
        if not is_confirmed:
            _invite(mailing_list, _waiting(mailing_list, behind=before))
        yield added


def invite(subscriber: Subscriber) -> None:
    """Mail him a word to confirm with, once more."""
    _invite(subscriber.mailing_list, [subscriber.address])


def _waiting(mailing_list: MailingList, *, behind: int) -> list[str]:
    rows = Subscriber.objects.filter(mailing_list=mailing_list, id__gt=behind)
    found = rows.filter(state=SubscriberState.UNCONFIRMED).order_by("id")
    return list(found.values_list("address", flat=True))


def _invite(mailing_list: MailingList, addresses: Sequence[str]) -> None:
    policy = domain_directory.policy(mailing_list.domain_id)
    if policy is None or not addresses:
        return
    now = utc_now()
    messages = []
    for address in addresses:
        code = tokens.make(
            mailing_list=mailing_list, purpose=Token.Purpose.SUBSCRIBE, address=address, now=now
        )
        messages.append(letters.confirmation(policy, mailing_list, to=address, code=code))
    # One that cannot be written to stays unconfirmed, and stands so in the list.
    get_connection(fail_silently=True).send_messages(messages)
