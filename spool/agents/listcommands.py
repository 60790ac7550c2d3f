"""To the command address of a domain, or to one by which a list is spoken to (L-030, D-035).

What is asked for is done here; the reply enters the spool with the end of the request, so that
each mail gets one, whatever is killed when.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from blobs.ids import first_id_at
from blobs.store import read_body
from clock.moments import to_micros, utc_now
from domains import directory as domain_directory
from mailinglists import commandmail
from mailinglists.addresses import Part
from mailinglists.commandmail import Incoming, NotAnswered
from protocols.address import Address
from protocols.smtp.outgoing import Outcome, Stage, Verdict
from protocols.smtp.replies import Reply
from spool import backend, routing
from spool.acceptance import Acceptance
from spool.agents.local import DOMAIN_GONE, DOMAIN_HELD
from spool.models import Kind, Origin, SpooledRecipient
from spool.routing import Question
from spool.work import ClaimedRecipient, Entry, Result

ACTOR = "list commands"
# RFC 3834 §2: whoever is written to in somebody else's name must not drown in answers.
MOST_REPLIES = 20
WITHIN = timedelta(hours=1)

ANSWERED = Reply(250, "2.1.5", "Done, and answered")
SILENT = Reply(250, "2.1.5", "Taken without an answer")


@dataclass(frozen=True, slots=True)
class Done:
    """What one mail came to; `reply` is to be accepted with the result, both or neither."""

    result: Result
    reply: Acceptance | None = None
    entries: list[Entry] = field(default_factory=list)


def act(recipient: ClaimedRecipient, *, list_id: int | None, part: Part | None) -> Done:
    """Do what the mail asks for. `list_id` and `part` None: it came to the command address.

    Asks and changes rows, so in a thread and in no transaction. Raises blobs.errors.StoreError,
    SpoolFull: then it is to be tried again.
    """
    started_at = to_micros(utc_now())
    message, domain_id = recipient.message, recipient.ledger_domain_id
    domain = None if domain_id is None else domain_directory.policy(domain_id)
    if domain is None:
        return Done(_result(recipient, Verdict.FAILED, DOMAIN_GONE, started_at))
    if domain.is_disabled or domain.is_closed:
        return Done(_result(recipient, Verdict.DEFERRED, DOMAIN_HELD, started_at, is_held=True))
    assert message.location is not None
    incoming = Incoming(
        domain_id=domain.domain_id,
        list_id=list_id,
        part=part,
        to=recipient.original_address,
        sender=message.sender,
        message=read_body(message.location, 0, commandmail.READ_BYTES),
    )
    try:
        reply, detail = _reply(incoming)
    except NotAnswered as reason:
        entry = _entry(recipient, "not answered", {"reason": str(reason)})
        return Done(_result(recipient, Verdict.DELIVERED, SILENT, started_at), None, [entry])
    entry = _entry(recipient, "answered", detail)
    return Done(_result(recipient, Verdict.DELIVERED, ANSWERED, started_at), reply, [entry])


def _reply(incoming: Incoming) -> tuple[Acceptance, dict[str, object]]:
    """Raises NotAnswered, before anything is done where nobody could be told of it."""
    request = commandmail.read(incoming)
    _require_leave(request.author)
    written = commandmail.answer(request, now=utc_now())
    opened = backend.open_intake(written)
    assert opened is not None, "it has a recipient"
    accepted = opened.prepare()
    detail: dict[str, object] = {
        "to": request.author.encode(),
        "commands": [one.line for one in request.asked],
        "reply": opened.name,
    }
    return accepted, detail


def _require_leave(author: Address) -> None:
    """Raises NotAnswered: nobody is there, or he has had many replies within the hour."""
    try:
        reached = routing.resolve(author, Question(sender="", may_relay=True))
    except backend.REFUSALS as error:
        raise NotAnswered(f"nobody can be answered: {error}") from None
    since = first_id_at(utc_now() - WITHIN)
    told = SpooledRecipient.objects.filter(
        address__in=[target.address for target in reached.targets],
        message_id__gte=since,
        message__origin=Origin.SERVER,
        message__kind=Kind.AUTORESPONDER,
    )
    if told.count() >= MOST_REPLIES:
        raise NotAnswered(f"its author has had {MOST_REPLIES} replies within an hour")


def _entry(recipient: ClaimedRecipient, decision: str, detail: dict[str, object]) -> Entry:
    return Entry(
        recipient.message.message_id, recipient.recipient_id, ACTOR, decision, dict(detail)
    )


def _result(
    recipient: ClaimedRecipient,
    verdict: Verdict,
    reply: Reply,
    started_at: int,
    *,
    is_held: bool = False,
) -> Result:
    outcome = Outcome(verdict, reply, Stage.END_OF_DATA, by_peer=False)
    return Result(recipient, outcome, started_at, to_micros(utc_now()), is_held=is_held)
