"""What became of a message, found by whatever somebody knows of it (architecture: the trace)."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from blobs.errors import BadId
from blobs.ids import MAX_ID, decode_id
from clock.moments import to_micros
from protocols.address import Address, MalformedAddress
from spool import throttle
from spool.models import (
    DeliveryAttempt,
    RefusedMail,
    SpooledMessage,
    SpooledRecipient,
    State,
    ThrottleCrossing,
    TraceEntry,
)
from spool.throttle import Kind

MOST_FOUND = 20  # of one address: the latest; more would hide what is looked for


@dataclass(frozen=True, slots=True)
class Trace:
    """All that is known of one message, in the order in which it happened."""

    message: SpooledMessage
    recipients: list[SpooledRecipient]
    attempts: dict[int, list[DeliveryAttempt]]  # by recipient
    entries: list[TraceEntry]
    crossings: list[ThrottleCrossing] = field(default_factory=list)  # that hold it back now


@dataclass(frozen=True, slots=True)
class Found:
    """Messages that were accepted, and mail that was not, both latest first."""

    messages: list[SpooledMessage]
    refused: list[RefusedMail]


def find(
    words: str,
    *,
    messages: QuerySet[SpooledMessage] | None = None,
    recipients: QuerySet[SpooledRecipient] | None = None,
) -> Found:
    """By spool id, Message-ID with or without brackets, or an address of either side.

    Among `messages` and `recipients`, if they are given.
    """
    words = words.strip()
    messages = SpooledMessage.objects.all() if messages is None else messages
    recipients = SpooledRecipient.objects.all() if recipients is None else recipients
    by_id = _by_spool_id(words, messages)
    if by_id is not None:
        return Found([by_id], [])
    bare = words.strip("<>")
    if not bare:
        return Found([], [])
    by_message_id = list(messages.filter(message_id=bare).order_by("-id")[:MOST_FOUND])
    if by_message_id or "@" not in bare:
        return Found(by_message_id, [])
    return _by_address(bare, messages, recipients)


def trace(
    message: SpooledMessage, *, recipients: QuerySet[SpooledRecipient] | None = None
) -> Trace:
    """`recipients` None: all of them."""
    rows = message.recipients.order_by("id") if recipients is None else recipients
    recipients_told = list(rows.select_related("account", "account__domain"))
    return _trace(message, recipients_told)


def _trace(message: SpooledMessage, recipients: list[SpooledRecipient]) -> Trace:
    attempts: dict[int, list[DeliveryAttempt]] = {row.pk: [] for row in recipients}
    for attempt in DeliveryAttempt.objects.filter(recipient__in=recipients).order_by("id"):
        attempts[attempt.recipient_id].append(attempt)
    entries = list(
        TraceEntry.objects.filter(message=message).select_related("recipient").order_by("id")
    )
    return Trace(message, recipients, attempts, entries, _crossings(message, recipients))


def _crossings(
    message: SpooledMessage, recipients: list[SpooledRecipient]
) -> list[ThrottleCrossing]:
    """The limits that its sender had reached when the recipients were put off."""
    held = [row for row in recipients if row.state == State.THROTTLED and row.due_at is not None]
    if not held:
        return []
    domains = {row.ledger_domain_id for row in held}
    hours = {throttle.hour_of(to_micros(row.due_at)) - 1 for row in held if row.due_at}
    payers = Q(kind=Kind.DOMAIN.value, key_id__in=domains)
    if message.sender_account_id is not None:
        payers |= Q(kind=Kind.USER.value, key_id=message.sender_account_id)
    if message.list_id is not None:
        payers |= Q(kind=Kind.LIST.value, key_id=message.list_id)
    return list(ThrottleCrossing.objects.filter(payers, hour__in=hours, ended_at=None))


def _by_spool_id(words: str, messages: QuerySet[SpooledMessage]) -> SpooledMessage | None:
    try:
        spool_id = int(words) if words.isdecimal() and len(words) < 20 else decode_id(words)
    except BadId:
        return None
    return messages.filter(pk=spool_id).first() if spool_id <= MAX_ID else None


def _by_address(
    words: str,
    messages: QuerySet[SpooledMessage],
    recipients: QuerySet[SpooledRecipient],
) -> Found:
    spellings = {words}
    try:
        address = Address.parse(words)
        spellings |= {address.encode(), address.key}
    except MalformedAddress:
        pass
    ids = set(
        recipients.filter(address__in=spellings)
        .order_by("-id")
        .values_list("message_id", flat=True)[:MOST_FOUND]
    )
    sent = messages.filter(sender__in=spellings).order_by("-id")
    ids.update(sent.values_list("id", flat=True)[:MOST_FOUND])
    found = SpooledMessage.objects.filter(pk__in=ids).order_by("-id")[:MOST_FOUND]
    refused = RefusedMail.objects.filter(
        Q(recipient__in=spellings) | Q(sender__in=spellings)
    ).order_by("-id")[:MOST_FOUND]
    return Found(list(found), list(refused))
