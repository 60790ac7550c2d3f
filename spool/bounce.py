"""Telling senders what became of their mail: failures, delays, confirmations (S-065…S-067)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings as conf

from blobs.errors import StoreError
from blobs.ids import encode_id, new_id
from blobs.store import Location, NewRecord, read_body
from clock.moments import from_micros, utc_now
from domains import directory as domain_directory
from protocols.address import Address, MalformedAddress
from protocols.message import dsn
from protocols.message.reports import Action, RecipientReport, Return, StatusReport
from spool import intake, routing, settings
from spool.acceptance import Acceptance
from spool.decisions import Settled, action_to_report, status_code, words
from spool.errors import Refused
from spool.intake import Parameters
from spool.models import DoubleBounce, Kind, Origin, State
from spool.routing import Question, Resolution
from spool.work import ClaimedMessage, ClaimedRecipient, Entry

ACTOR = "bounce"
# More than a header has; beyond what a report returns at most.
RETURNED_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Report:
    """A report on its way in, if there is somebody to tell, and what the trace says of it."""

    acceptance: Acceptance | None
    entries: list[Entry]

    @property
    def records(self) -> list[NewRecord]:
        return self.acceptance.records if self.acceptance else []


def needs_thought(settled: Settled) -> bool:
    """Whether `make_report` has something to do with this result."""
    return action_to_report(settled) is not None or is_failed_bounce(settled)


def is_failed_bounce(settled: Settled) -> bool:
    message = settled.result.recipient.message
    has_failed = settled.state in (State.BOUNCED, State.EXPIRED)
    return has_failed and not message.sender and message.kind == Kind.BOUNCE


def make_report(settled: Sequence[Settled]) -> Report:
    """One report about results of one message. Asks the directories, so in a thread.

    Raises SpoolFull or blobs.errors.StoreError: then it is to be tried again.
    """
    message = settled[0].result.recipient.message
    if any(is_failed_bounce(one) for one in settled):
        return _double_bounce(message, settled)
    told = [(one, action) for one in settled if (action := action_to_report(one)) is not None]
    recipients = tuple(_recipient_report(one, action) for one, action in told)
    to = _reachable(message.sender)
    if to is None:
        # RFC 5321 §6.1: nobody is there to be told, so the postmaster is.
        return _to_postmaster(message, recipients, reason="the sender does not exist")
    return _submit(message, recipients, to)


def make_delay_notice(
    message: ClaimedMessage, delayed: Sequence[tuple[ClaimedRecipient, str]]
) -> Report:
    """`delayed` are recipients with the last words about each (S-049)."""
    to = _reachable(message.sender)
    if to is None:
        return Report(None, [])
    recipients = tuple(
        RecipientReport(
            recipient=recipient.address,
            action=Action.DELAYED,
            status="4.4.1",
            original_recipient=_original(recipient),
            diagnostic=reply or None,
            retry_until=from_micros(message.expires_at),
        )
        for recipient, reply in delayed
    )
    return _submit(message, recipients, to)


def _double_bounce(message: ClaimedMessage, settled: Sequence[Settled]) -> Report:
    """S-066: what cannot be told to the sender is told to the postmaster, once."""
    policy = settings.current()
    recipients = tuple(_recipient_report(one, Action.FAILED) for one in settled)
    went_to = {one.result.recipient.address for one in settled}
    if policy.double_bounces != DoubleBounce.POSTMASTER or policy.postmaster in went_to:
        return Report(None, [_dropped(message, "a bounce could not be delivered")])
    return _to_postmaster(message, recipients, reason="a bounce could not be delivered")


def _to_postmaster(
    message: ClaimedMessage, recipients: tuple[RecipientReport, ...], *, reason: str
) -> Report:
    policy = settings.current()
    wanted = policy.double_bounces == DoubleBounce.POSTMASTER
    to = _reachable(policy.postmaster) if wanted and policy.postmaster else None
    if to is None:
        return Report(None, [_dropped(message, reason)])
    return _submit(message, recipients, to)


def _dropped(message: ClaimedMessage, reason: str) -> Entry:
    return Entry(message.message_id, None, ACTOR, "report dropped", {"reason": reason})


def _reachable(sender: str) -> tuple[Address, Resolution] | None:
    try:
        address = Address.parse(sender)
        return address, routing.resolve(address, Question(sender="", may_relay=True))
    except (MalformedAddress, Refused):
        return None


def _submit(
    message: ClaimedMessage,
    recipients: tuple[RecipientReport, ...],
    to: tuple[Address, Resolution],
) -> Report:
    address, resolution = to
    report = StatusReport(
        reporting_mta=conf.MAILHOST_HOSTNAME,
        recipients=recipients,
        envelope_id=message.envid or None,
        arrived_at=from_micros(message.accepted_at),
    )
    original = _read_original(message.location)
    returned = Return.FULL if message.ret == "FULL" else Return.HEADERS
    if message.size_bytes > len(original):
        returned = Return.HEADERS  # it has been cut
    text = dsn.build(
        report,
        to=address.encode(),
        author=f"mailer-daemon@{conf.MAILHOST_HOSTNAME}",
        message=original,
        returned=returned,
        message_id=f"{encode_id(new_id())}@{conf.MAILHOST_HOSTNAME}",
        now=utc_now(),
    )
    domain = None if message.domain_id is None else domain_directory.policy(message.domain_id)
    entry = intake.begin(
        sender="",
        origin=Origin.SERVER,
        kind=Kind.BOUNCE,
        domain=domain,
        parameters=Parameters(
            body_type="7BIT" if text.isascii() else "8BITMIME",
            smtputf8=dsn.needs_utf8(report, to=address.encode(), message=original),
        ),
    )
    entry.add_recipient(address, resolution)
    entry.write(text)
    told = {
        "to": address.encode(),
        "report": entry.name,
        "about": [{"recipient": one.recipient, "action": str(one.action)} for one in recipients],
    }
    return Report(entry.prepare(), [Entry(message.message_id, None, ACTOR, "report sent", told)])


def _read_original(location: Location | None) -> bytes:
    """The message as far as a report may show it; a damaged one is reported without."""
    if location is None:
        return b""
    try:
        return read_body(location, 0, RETURNED_BYTES)
    except StoreError:
        return b""


def _recipient_report(settled: Settled, action: Action) -> RecipientReport:
    result = settled.result
    outcome, recipient = result.outcome, result.recipient
    text = words(outcome.reply)
    return RecipientReport(
        recipient=recipient.address,
        action=action,
        status=status_code(settled) if action is Action.FAILED else "2.0.0",
        original_recipient=_original(recipient),
        remote_mta=result.peer.host or None if outcome.by_peer else None,
        diagnostic=text if outcome.by_peer else None,
        reason=None if outcome.by_peer else text,
        last_attempt_at=from_micros(result.finished_at),
    )


def _original(recipient: ClaimedRecipient) -> str | None:
    """RFC 3461 §6.3: only what the sender himself gave as ORCPT, or wrote in RCPT TO."""
    if recipient.orcpt:
        return recipient.orcpt
    if recipient.original_address != recipient.address:
        return f"rfc822;{recipient.original_address}"
    return None
