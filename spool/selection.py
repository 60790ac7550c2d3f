"""Which mail in the spool is meant: by ids, by a filter, or all of it (S-016, S-020, S-021)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts import permissions, selectors
from accounts.models import Role, User
from accounts.permissions import Verb
from blobs.ids import encode_id, first_id_at
from domains.errors import Refused
from spool.models import Gateway, Origin, SpooledMessage, SpooledRecipient, State
from spool.ways import Way

FEW = 2_000  # messages found by an index are then looked up by their ids
IDS_AT_ONCE = 500
RECIPIENTS_AT_ONCE = 2_000


class NothingSelected(Refused):
    """Neither messages nor a filter were named; all mail must be asked for as such (S-041)."""

    def __str__(self) -> str:
        return "no messages are selected"


class Status(StrEnum):
    """What can be filtered by (S-045)."""

    QUEUED = "queued"
    RETRYING = "retrying"
    THROTTLED = "throttled"
    HELD = "held"
    QUARANTINE = "quarantine"
    FORCED = "forced"
    DELIVERING = "delivering"
    DELETING = "deleting"


_STATES = {
    Status.QUEUED: State.QUEUED,
    Status.RETRYING: State.RETRYING,
    Status.THROTTLED: State.THROTTLED,
    Status.HELD: State.HELD,
    Status.QUARANTINE: State.HELD,
    Status.DELETING: State.DELETING,
}


@dataclass(frozen=True, slots=True)
class SpoolFilter:
    """Everything that is set must fit; an address `@domain` stands for all of a domain.

    An address with a name before the `@` fits exactly, other text by being part of it.
    """

    sender: str = ""
    recipient: str = ""
    domain: str = ""  # of the sender or of the recipient
    destination: str = ""  # the domain whose servers receive, exactly
    status: Status | None = None
    message_id: int | None = None  # the spool id: the file's name
    priority: int | None = None
    older_than: timedelta | None = None
    younger_than: timedelta | None = None
    origin: Origin | None = None
    gateway_id: int | None = None  # mail that may go through it, or was sent there by hand
    words: tuple[str, ...] = ()  # each part of a sender or a recipient

    @property
    def is_empty(self) -> bool:
        return self == ANYTHING

    def __str__(self) -> str:
        shown = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value in ("", None, ()):
                continue
            if field.name == "words":
                shown += value
            elif field.name == "message_id":
                shown.append(f"id:{encode_id(value)}")
            elif isinstance(value, timedelta):
                shown.append(f"{field.name.partition('_')[0]}:{int(value.total_seconds())}s")
            else:
                shown.append(f"{field.name.removesuffix('_id')}:{value}")
        return " ".join(shown)

    def of_recipients(self, *, now: datetime, actor: User | None) -> Q:
        """For rows of SpooledRecipient: those that a verb on this filter acts on.

        Whereto others' aliases lead, the filter of whoever is no operator does not tell.
        """

        def address(look_up: Callable[[str], Q]) -> Q:
            if sees_all(actor):
                return look_up("address")
            return look_up("original_address") | (look_up("address") & openly_named(actor))

        found = Q()
        if self.sender:
            found &= _fits("message__sender", self.sender)
        if self.recipient:
            found &= address(lambda field: _fits(field, self.recipient))
        if self.domain:
            at = f"@{self.domain.lstrip('@')}"
            found &= Q(message__sender__iendswith=at) | address(
                lambda field: Q(**{f"{field}__iendswith": at})
            )
        for word in self.words:
            found &= Q(message__sender__icontains=word) | address(partial(_contains, word))
        if self.destination:
            found &= Q(destination=self.destination)
            found &= Q() if sees_all(actor) else openly_named(actor)
        found &= self._by_facts() & self._by_status() & self._by_age(now)
        return found & self._by_gateway()

    def narrow_messages(
        self, messages: QuerySet[SpooledMessage], *, now: datetime, actor: User | None
    ) -> QuerySet[SpooledMessage]:
        """Those of which at least one recipient that waits, and that the actor may know, fits."""
        if self.is_empty:
            return messages
        if self.message_id is not None:
            messages = messages.filter(pk=self.message_id)
        if self.sender:
            messages = messages.filter(_fits("sender", self.sender))
        if self.status is Status.QUARANTINE:
            messages = messages.filter(pk__in=quarantined())
        few = self._few_messages(actor)
        if few is not None:
            messages = messages.filter(pk__in=few)
        rows = recipients_for(actor).filter(message=OuterRef("pk"), state__lt=State.DELIVERED)
        return messages.filter(Exists(rows.filter(self.of_recipients(now=now, actor=actor))))

    def _few_messages(self, actor: User | None) -> list[int] | None:
        """The ids of what an index finds, if that is little; None: there is more, or no index."""
        rows = SpooledRecipient.objects.filter(state__lt=State.DELIVERED)
        if self.destination:
            waiting = rows.filter(destination=self.destination, due_at__isnull=False)
            held = rows.filter(destination=self.destination, due_at=None)
            found = [*_message_ids(waiting), *_message_ids(held)]
        elif "@" in self.recipient[1:] and sees_all(actor):
            found = _message_ids(rows.filter(_fits("address", self.recipient)))
        else:
            return None
        return found if len(found) <= FEW else None

    def _by_facts(self) -> Q:
        facts = {
            "message": self.message_id,
            "priority": self.priority,
            "message__origin": self.origin,
        }
        return Q(**{name: value for name, value in facts.items() if value is not None})

    def _by_status(self) -> Q:
        if self.status is None:
            return Q()
        if self.status is Status.FORCED:
            return Q(is_forced=True)
        if self.status is Status.DELIVERING:
            return Q(claimed_by__isnull=False)
        found = Q(state=_STATES[self.status], claimed_by=None)
        if self.status in (Status.HELD, Status.QUARANTINE):
            found &= Q(quarantined_until__isnull=self.status is Status.HELD)
        return found

    def _by_age(self, now: datetime) -> Q:
        """Ids grow with time, so an age is a range of the key."""
        found = Q()
        if self.older_than is not None:
            found &= Q(message__lt=first_id_at(now - self.older_than))
        if self.younger_than is not None:
            found &= Q(message__gte=first_id_at(now - self.younger_than))
        return found

    def _by_gateway(self) -> Q:
        if self.gateway_id is None:
            return Q()
        chosen = Q(via=Way(gateway_id=self.gateway_id).encode())
        gateway = Gateway.objects.filter(pk=self.gateway_id).first()
        if gateway is None:
            return chosen
        fits = Q(priority__gte=gateway.minimum_priority, priority__lte=gateway.maximum_priority)
        fits &= ~Q(destination="") & Q(via="")
        if senders := list(gateway.sending_domains.values_list("pk", flat=True)):
            fits &= Q(message__domain__in=senders)
        if names := list(gateway.destinations.values_list("name", flat=True)):
            taken = Q()
            for name in names:
                is_tree = name.startswith(".")
                taken |= Q(destination__endswith=name) if is_tree else Q(destination=name)
            fits &= taken
        return chosen | fits


ANYTHING = SpoolFilter()


@dataclass(frozen=True, slots=True)
class Selection:
    """What a verb acts on. Made by `of`, `matching` or `everything`."""

    ids: tuple[int, ...] = ()
    filter: SpoolFilter = ANYTHING
    is_all: bool = False
    actor: User | None = None  # sees only what is his; None: the server itself, or a command

    @classmethod
    def of(cls, ids: Sequence[int], *, actor: User | None = None) -> Selection:
        """Marked messages. Raises NothingSelected."""
        if not ids:
            raise NothingSelected
        return cls(ids=tuple(sorted(set(ids))), actor=actor)

    @classmethod
    def matching(cls, filter: SpoolFilter, *, actor: User | None = None) -> Selection:
        """All N that fit the filter. Raises NothingSelected for one that says nothing."""
        if filter.is_empty:
            raise NothingSelected
        return cls(filter=filter, actor=actor)

    @classmethod
    def everything(cls, *, actor: User | None = None) -> Selection:
        """The whole spool: for system administrators only. Raises NotPermitted (S-041)."""
        if actor is not None:
            permissions.require(actor, Verb.MANAGE_SERVER)
        return cls(is_all=True, actor=actor)

    def __str__(self) -> str:
        if self.is_all:
            return "the whole spool"
        if self.ids:
            names = ", ".join(map(encode_id, self.ids[:20]))
            more = len(self.ids) - 20
            return f"{names} and {more} more" if more > 0 else names
        return f"mail with {self.filter}"

    def messages(self, *, now: datetime) -> QuerySet[SpooledMessage]:
        """Those still in the spool, in the order of their ids."""
        rows = messages_for(self.actor).filter(finished_at=None)
        if self.ids:
            rows = rows.filter(pk__in=self.ids)
        return self.filter.narrow_messages(rows, now=now, actor=self.actor).order_by("id")

    def recipients(
        self, message_ids: Sequence[int], *, now: datetime
    ) -> QuerySet[SpooledRecipient]:
        """Of these messages, the recipients that wait and are meant."""
        rows = recipients_for(self.actor).filter(message__in=message_ids, state__lt=State.DELIVERED)
        return rows.filter(self.filter.of_recipients(now=now, actor=self.actor))

    def is_more_than(self, count: int, *, now: datetime) -> bool:
        """Whether so many messages are meant; it looks at no more of them than needed."""
        if self.ids:
            return len(self.ids) > count
        return len(self.messages(now=now).values_list("id", flat=True)[: count + 1]) > count

    def batches(
        self, *, now: datetime, after: int = 0, last: int | None = None
    ) -> Iterator[list[int]]:
        """Ids of what is there now, rising; what comes in meanwhile is spared (S-041).

        Behind `after`, and up to `last`: None stands for the newest that is there.
        """
        if self.ids:
            ids = [one for one in self.ids if one > after]
            for start in range(0, len(ids), IDS_AT_ONCE):
                yield ids[start : start + IDS_AT_ONCE]
            return
        rows = self.messages(now=now).filter(pk__lte=newest() if last is None else last)
        sizes = rows.values_list("id", "recipients_total")
        while found := list(sizes.filter(pk__gt=after)[:IDS_AT_ONCE]):
            ids = _not_too_many(found)
            yield ids
            after = ids[-1]


def newest() -> int:
    """The id of the message that came in last; 0: the spool is empty."""
    present = SpooledMessage.objects.filter(finished_at=None)
    return present.order_by("-id").values_list("id", flat=True).first() or 0


def quarantined() -> QuerySet[SpooledMessage, Any]:
    """Keys, read out of their index: otherwise all of the spool is looked through for them."""
    there = SpooledMessage.objects.filter(finished_at=None, quarantined_until__isnull=False)
    return there.values("pk")


def messages_for(actor: User | None) -> QuerySet[SpooledMessage]:
    """What the actor may see: mail that his domains cause, or that is for their mailboxes."""
    rows = SpooledMessage.objects.all()
    if sees_all(actor):
        return rows
    assert actor is not None
    domains = selectors.domains_for(actor).values("pk")
    theirs = SpooledRecipient.objects.filter(message=OuterRef("pk"), ledger_domain__in=domains)
    return rows.filter(Q(domain__in=domains) | Exists(theirs))


def recipients_for(actor: User | None) -> QuerySet[SpooledRecipient]:
    """Of mail that others cause, an administrator sees the recipients in his domains only."""
    rows = SpooledRecipient.objects.all()
    if sees_all(actor):
        return rows
    assert actor is not None
    domains = selectors.domains_for(actor).values("pk")
    return rows.filter(Q(message__domain__in=domains) | Q(ledger_domain__in=domains))


def openly_named(actor: User | None) -> Q:
    """Recipients but those behind others' aliases, which the sender knows by another name."""
    is_open = Q(address__iexact=F("original_address"))
    if actor is None:
        return is_open
    domains = selectors.domains_for(actor).values("pk")
    return is_open | Q(account=actor) | Q(ledger_domain__in=domains)


def sees_all(actor: User | None) -> bool:
    return actor is None or (actor.is_active and actor.role == Role.SYSTEM_ADMINISTRATOR)


def _not_too_many(found: Sequence[tuple[int, int]]) -> list[int]:
    """The first ids, with so many recipients as one transaction should change; at least one."""
    ids: list[int] = []
    recipients = 0
    for message_id, total in found:
        recipients += total
        if ids and recipients > RECIPIENTS_AT_ONCE:
            break
        ids.append(message_id)
    return ids


def _contains(word: str, field: str) -> Q:
    return Q(**{f"{field}__icontains": word})


def _fits(field: str, text: str) -> Q:
    if text == "<>":
        return Q(**{field: ""})
    if text.startswith("@"):
        return Q(**{f"{field}__iendswith": text})
    if "@" in text:
        return Q(**{f"{field}__in": {text, text.lower(), _lower_domain(text)}})
    return Q(**{f"{field}__icontains": text})


def _lower_domain(address: str) -> str:
    local_part, _, domain = address.rpartition("@")
    return f"{local_part}@{domain.lower()}"


def _message_ids(rows: QuerySet[SpooledRecipient]) -> list[int]:
    return list(rows.values_list("message_id", flat=True)[: FEW + 1])
