"""Whose traces somebody may see: all, those of his domains, or those of his own mail."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts import selectors
from accounts.models import Role, User
from domains.models import HostedName
from spool import redaction, selection
from spool.errors import MessageUnknown
from spool.models import RefusedMail, SpooledMessage, SpooledRecipient
from spool.trace import Found, Trace, find, trace

MOST_RECIPIENTS = 100  # of one message, told at a time


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody may see; `is_full`: nothing is left out."""

    messages: QuerySet[SpooledMessage]
    recipients: QuerySet[SpooledRecipient]
    is_full: bool
    actor: User | None = None

    def is_cause(self, message: SpooledMessage) -> bool:
        """Whether the mail is the viewer's own, so that all its recipients are his business."""
        if self.is_full:
            return True
        assert self.actor is not None
        if self.actor.role == Role.USER:
            return message.sender_account_id == self.actor.pk
        owned = selectors.domains_for(self.actor)
        return message.domain_id is not None and owned.filter(pk=message.domain_id).exists()


def sight_of(actor: User | None) -> Sight:
    """None: the server itself, or a command."""
    is_full = actor is None or (actor.is_active and actor.role == Role.SYSTEM_ADMINISTRATOR)
    if is_full or actor is None or actor.role != Role.USER:
        return Sight(selection.messages_for(actor), selection.recipients_for(actor), is_full, actor)
    if not actor.is_active:
        return Sight(SpooledMessage.objects.none(), SpooledRecipient.objects.none(), False, actor)
    theirs = SpooledRecipient.objects.filter(message=OuterRef("pk"), account=actor)
    return Sight(
        SpooledMessage.objects.filter(Q(sender_account=actor) | Exists(theirs)),
        SpooledRecipient.objects.filter(Q(message__sender_account=actor) | Q(account=actor)),
        False,
        actor,
    )


def message_for(actor: User | None, message_id: int) -> SpooledMessage:
    """In the spool or behind it. Raises MessageUnknown for what is out of sight."""
    rows = sight_of(actor).messages.select_related("sender_account", "sender_account__domain")
    message = rows.filter(pk=message_id).first()
    if message is None:
        raise MessageUnknown(message_id)
    return message


def trace_for(
    actor: User | None, message: SpooledMessage, *, after: int = 0, limit: int = MOST_RECIPIENTS
) -> Trace:
    """As much of it as the actor may know, of `limit` recipients from behind the id `after` on."""
    sight = sight_of(actor)
    rows = sight.recipients.filter(message=message, id__gt=after).order_by("id")
    found = trace(message, recipients=rows[:limit])
    if sight.is_full:
        return found
    own = _own_names(sight, found)
    return redaction.redact(
        found,
        is_cause=sight.is_cause(message),
        is_own=lambda address: address.lower() in own or _domain(address) in own,
    )


def _own_names(sight: Sight, found: Trace) -> set[str]:
    """Of what a trace speaks of: a user's own address, or the names of his domains."""
    actor = sight.actor
    assert actor is not None
    if actor.role == Role.USER:
        return {f"{actor.local_part}@{actor.domain.name}"} if actor.domain else set()
    spoken = {str(one.get("address", "")) for one in found.message.decisions}
    spoken |= {one for row in found.recipients for one in (row.address, row.original_address)}
    names = HostedName.objects.filter(domain__in=selectors.domains_for(actor).values("pk"))
    wanted = {_domain(address) for address in spoken}
    return set(names.filter(name__in=wanted).values_list("name", flat=True))


def find_for(actor: User | None, words: str) -> Found:
    """As `spool.trace.find`, among what the actor may see."""
    sight = sight_of(actor)
    if sight.is_full:
        return find(words)
    # Else a search would tell whereto others' aliases lead.
    recipients = sight.recipients.filter(selection.openly_named(actor))
    found = find(words, messages=sight.messages, recipients=recipients)
    return replace(found, refused=_refused_for(sight, found.refused))


def _refused_for(sight: Sight, rows: list[RefusedMail]) -> list[RefusedMail]:
    """Refused for their addresses, or sent by them to somewhere else than another customer."""
    assert sight.actor is not None
    if sight.actor.role == Role.USER:
        domain = sight.actor.domain
        own = {f"{sight.actor.local_part}@{domain.name}"} if domain else set()
        hosted = _hosted(rows)
        return [row for row in rows if _is_theirs(row, own, hosted, whole=True)]
    domains = selectors.domains_for(sight.actor)
    names = HostedName.objects.filter(domain__in=domains.values("pk"))
    own = set(names.filter(name__in=_names(rows)).values_list("name", flat=True))
    hosted = _hosted(rows)
    return [row for row in rows if _is_theirs(row, own, hosted, whole=False)]


def _is_theirs(row: RefusedMail, own: set[str], hosted: set[str], *, whole: bool) -> bool:
    recipient, sender = row.recipient.lower(), row.sender.lower()
    if (recipient if whole else _domain(recipient)) in own:
        return True
    return (sender if whole else _domain(sender)) in own and _domain(recipient) not in hosted


def _hosted(rows: list[RefusedMail]) -> set[str]:
    return set(HostedName.objects.filter(name__in=_names(rows)).values_list("name", flat=True))


def _names(rows: list[RefusedMail]) -> set[str]:
    return {_domain(text) for row in rows for text in (row.sender, row.recipient)}


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
