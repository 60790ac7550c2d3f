"""To the command address of a domain, or to one by which a list is spoken to (L-030, D-035).

What is asked for is done here; the reply enters the spool with the end of the request, so that
each mail gets one, whatever is killed when.
"""

from __future__ import annotations

from datetime import timedelta

from blobs.errors import StoreError
from blobs.ids import first_id_at
from blobs.store import read_body
from mailinglists import commandmail
from mailinglists.addresses import Part
from mailinglists.commandmail import NotAnswered
from protocols.address import Address
from spool import backend, routing
from spool.agents.mailinglist import Incoming, Taken, discarded, done, takes
from spool.models import Kind, Origin, SpooledRecipient
from spool.routing import Question

# RFC 3834 §2: whoever is written to in somebody else's name must not drown in answers.
MOST_REPLIES = 20
WITHIN = timedelta(hours=1)


@takes(None, Part.REQUEST, Part.SUBSCRIBE, Part.UNSUBSCRIBE)
def take_commands(incoming: Incoming) -> Taken:
    """Do what the mail asks for, and answer it. Raises StoreError, SpoolFull."""
    try:
        request = commandmail.read(_mail(incoming))
        _require_leave(request.author, incoming)
        written = commandmail.answer(request, now=incoming.now)
    except NotAnswered as reason:
        return discarded(f"not answered: {reason}")
    opened = backend.open_intake(written)
    assert opened is not None, "a reply has a recipient"
    taken = done(
        "Done, and answered",
        "answered",
        to=request.author.encode(),
        commands=[one.line for one in request.asked],
        reply=opened.name,
    )
    taken.answers = [opened.prepare()]
    return taken


def _mail(incoming: Incoming) -> commandmail.Incoming:
    message = incoming.recipient.message
    if message.location is None:
        raise StoreError("the message has no body any more")
    return commandmail.Incoming(
        domain_id=incoming.domain.domain_id,
        list_id=incoming.policy.list_id if incoming.policy is not None else None,
        part=incoming.part,
        to=incoming.recipient.original_address,
        sender=message.sender,
        message=read_body(message.location, 0, commandmail.READ_BYTES),
    )


def _require_leave(author: Address, incoming: Incoming) -> None:
    """Raises NotAnswered: nobody is there, or he has had many replies within the hour.

    Before anything is done: what nobody can be told of is not done either.
    """
    try:
        reached = routing.resolve(author, Question(sender="", may_relay=True))
    except backend.REFUSALS as error:
        raise NotAnswered(f"nobody can be answered: {error}") from None
    since = first_id_at(incoming.now - WITHIN)
    told = SpooledRecipient.objects.filter(
        address__in=[target.address for target in reached.targets],
        message_id__gte=since,
        message__origin=Origin.SERVER,
        message__kind=Kind.AUTORESPONDER,
    )
    if told.count() >= MOST_REPLIES:
        raise NotAnswered(f"its author has had {MOST_REPLIES} replies within an hour")
