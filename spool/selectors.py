"""What is in the spool, as the panel, the API and commands show it (S-010…S-030)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery

from accounts.models import Role, User
from accounts.selectors import domains_for
from operations import servicestate
from operations.models import Service
from spool.errors import MessageUnknown
from spool.listing import Column, Cursor, MessageRow, Page, View, make_row
from spool.models import (
    NEVER,
    SpoolChange,
    SpooledMessage,
    SpooledRecipient,
    SpoolMinute,
    State,
)
from spool.selection import (
    ANYTHING,
    SpoolFilter,
    messages_for,
    quarantined,
    recipients_for,
    sees_all,
)

__all__ = ["message_for", "messages_for", "page", "recipients_for"]

ROW_CHOICES = (25, 50, 100, 250, 1000)  # S-012
STANDARD_ROWS = 100
EXACT_UP_TO = 100_000  # S-013
# The recipients of a message with more are summed up and not read for its line.
FEW_RECIPIENTS = 50
# What these sort by is there with the message itself; the rest is summed up within a second.
AT_ONCE = (Column.FILE_NAME, Column.TIME_IN_SPOOL, Column.REMOVED_AT)
HELD_BY_STOP = "Held: service stopped"  # M-017


def message_for(actor: User | None, message_id: int) -> SpooledMessage:
    """In the spool or, as its trace, behind it. Raises MessageUnknown."""
    message = messages_for(actor).filter(pk=message_id).first()
    if message is None:
        raise MessageUnknown(message_id)
    return message


def page(
    actor: User | None,
    *,
    now: datetime,
    filter: SpoolFilter = ANYTHING,
    view: View = View.ALL,
    column: Column = Column.TIME_IN_SPOOL,
    descending: bool = True,
    rows: int = STANDARD_ROWS,
    cursor: Cursor | None = None,
) -> Page:
    """One page, the same few queries however much there is; `cursor` as an earlier page gave it.

    `descending` for the time in the spool is the order of acceptance, oldest first.
    """
    rows = next((choice for choice in ROW_CHOICES if choice >= rows), ROW_CHOICES[-1])
    visible = _visible(actor, filter=filter, view=view, now=now, column=column)
    is_backward = cursor is not None and cursor.is_backward
    found = _in_order(
        visible, column, descending ^ is_backward, cursor, limit=rows + 1, actor=actor
    )
    has_more = len(found) > rows
    found = found[:rows]
    if is_backward:
        found.reverse()
    total, is_exact = _count(actor, visible, filter=filter, view=view)
    has_next = has_more or is_backward
    has_previous = has_more if is_backward else cursor is not None
    return Page(
        rows=_rows(actor, found, now),
        total=total,
        is_exact=is_exact,
        next=_cursor(found[-1], column) if found and has_next else None,
        previous=_cursor(found[0], column, backward=True) if found and has_previous else None,
    )


def count(actor: User | None, *, now: datetime, filter: SpoolFilter = ANYTHING) -> int:
    """How many messages a verb on this filter would meet; goes through all of them."""
    return _visible(actor, filter=filter, view=View.ALL, now=now).count()


def count_waiting() -> int:
    """All that is in the spool: exact up to a limit, then as measured last (S-013)."""
    return _up_to_limit_or_measured([SpooledMessage.objects.filter(finished_at=None)])[0]


def changes_for(actor: User | None, *, limit: int = 50) -> list[SpoolChange]:
    """What has been done to the spool, latest first; customers see what they did themselves."""
    rows = SpoolChange.objects.order_by("-id")
    if actor is not None and actor.role != Role.SYSTEM_ADMINISTRATOR:
        rows = rows.filter(actor_account=actor)
    return list(rows[:limit])


def _visible(
    actor: User | None,
    *,
    filter: SpoolFilter,
    view: View,
    now: datetime,
    column: Column | None = None,
) -> QuerySet[SpooledMessage]:
    messages = messages_for(actor).filter(finished_at=None)
    if filter.status is None:
        messages = messages.exclude(worst_state=State.DELETING)
    messages = filter.narrow_messages(messages, now=now, actor=actor)
    if view is View.WAITING:
        # Of a message with a great many recipients some wait while others are delivered.
        is_large = Q(recipients_total__gt=FEW_RECIPIENTS)
        messages = messages.filter(is_large | ~Q(pk__in=_in_delivery())).filter(~_kept_apart())
    if column is Column.REMOVED_AT:
        messages = messages.filter(quarantined_until__isnull=False)
    elif view is View.QUARANTINE:
        messages = messages.filter(pk__in=quarantined())
    return messages


def _kept_apart() -> Q:
    """Messages of which all that is left is in quarantine: they wait for nothing."""
    return Q(quarantined_until__isnull=False, next_at=NEVER)


def _in_delivery() -> QuerySet[SpooledRecipient, Any]:
    """Keys of messages: read once, by an index of what is claimed, not looked up for each."""
    claimed = SpooledRecipient.objects.filter(state__lt=State.DELIVERED, claimed_by__isnull=False)
    return claimed.values("message")


def _in_order(
    visible: QuerySet[SpooledMessage],
    column: Column,
    descending: bool,
    cursor: Cursor | None,
    *,
    limit: int,
    actor: User | None = None,
) -> list[SpooledMessage]:
    """Two steps behind a cursor: the rest of its value, then what follows; each by an index."""
    if column not in AT_ONCE:
        visible = visible.filter(is_listed=True)
    # An age grows as its id falls.
    falls = descending ^ column.is_reversed
    field = column.field
    order = [f"-{field}", "-id"] if falls else [field, "id"]
    ordered = _with_details(visible, actor).order_by(*dict.fromkeys(order))
    if cursor is None:
        return list(ordered[:limit])
    than = "lt" if falls else "gt"
    if field == "id":
        return list(ordered.filter(**{f"id__{than}": cursor.message_id})[:limit])
    same = ordered.filter(**{field: cursor.value, f"id__{than}": cursor.message_id})
    found = list(same[:limit])
    if len(found) < limit:
        found += ordered.filter(**{f"{field}__{than}": cursor.value})[: limit - len(found)]
    return found


def _with_details(
    messages: QuerySet[SpooledMessage], actor: User | None
) -> QuerySet[SpooledMessage]:
    first = recipients_for(actor).filter(message=OuterRef("pk")).order_by("id")
    name = "address" if sees_all(actor) else "original_address"
    return messages.select_related("sender_account", "sender_account__domain").annotate(
        first_recipient=Subquery(first.values(name)[:1]),
        area_path=F("blob__segment__area__path"),
    )


def _rows(
    actor: User | None, messages: Iterable[SpooledMessage], now: datetime
) -> list[MessageRow]:
    messages = list(messages)
    few = [one.pk for one in messages if one.recipients_total <= FEW_RECIPIENTS]
    waiting: defaultdict[int, list[SpooledRecipient]] = defaultdict(list)
    rows = recipients_for(actor).filter(message__in=few, state__lt=State.DELIVERED)
    for recipient in rows.order_by("id"):
        waiting[recipient.message_id].append(recipient)
    known = {} if actor is None or sees_all(actor) else _known_of_others(actor, messages)
    made = [
        make_row(
            message, waiting.get(message.pk), now=now, is_as_written=not sees_all(actor),
            known=known.get(message.pk),
        )
        for message in messages
    ]  # fmt: skip
    if servicestate.stopped_everywhere(Service.SPOOL):
        return [replace(row, status=HELD_BY_STOP) for row in made]
    return made


def _known_of_others(actor: User, messages: Iterable[SpooledMessage]) -> dict[int, int]:
    """How many recipients the actor may know, by the key of each message that others cause."""
    domains = {one.domain_id for one in messages if one.domain_id is not None}
    own = set(domains_for(actor).filter(pk__in=domains).values_list("pk", flat=True))
    others = [one.pk for one in messages if one.domain_id not in own]
    rows = recipients_for(actor).filter(message__in=others).values_list("message")
    return dict.fromkeys(others, 0) | dict(rows.annotate(Count("pk")))


def _cursor(message: SpooledMessage, column: Column, *, backward: bool = False) -> Cursor:
    value: Any = getattr(message, column.field)
    return Cursor(value=value, message_id=message.pk, is_backward=backward)


def _count(
    actor: User | None, visible: QuerySet[SpooledMessage], *, filter: SpoolFilter, view: View
) -> tuple[int, bool]:
    """Exact up to a limit; behind it, what was measured last, or the limit at least."""
    if sees_all(actor) and filter.is_empty and view is not View.QUARANTINE:
        total, is_exact = _up_to_limit_or_measured(_everything())
        if view is View.WAITING:
            few = Q(recipients_total__lte=FEW_RECIPIENTS, pk__in=_in_delivery())
            total -= sum(_up_to_limit(part.filter(few)) for part in _everything())
            apart = SpooledMessage.objects.filter(
                pk__in=quarantined(), worst_state__lt=State.DELETING
            )
            total -= _up_to_limit(apart.filter(_kept_apart()))
        return max(total, 0), is_exact
    total = _up_to_limit(visible)
    return min(total, EXACT_UP_TO), total <= EXACT_UP_TO


def _up_to_limit_or_measured(parts: Iterable[QuerySet[SpooledMessage]]) -> tuple[int, bool]:
    """Of all that is in the spool."""
    total = sum(map(_up_to_limit, parts))
    if total <= EXACT_UP_TO:
        return total, True
    latest = SpoolMinute.objects.exclude(messages=None).order_by("-minute").first()
    measured = latest.messages if latest is not None else None
    return max(measured or 0, EXACT_UP_TO), False


def _everything() -> tuple[QuerySet[SpooledMessage], QuerySet[SpooledMessage]]:
    """What is not being deleted, in two parts that indexes count without reading messages."""
    messages = SpooledMessage.objects.filter(finished_at=None, worst_state__lt=State.DELETING)
    return messages.filter(is_listed=True), messages.filter(is_listed=False)


def _up_to_limit(messages: QuerySet[SpooledMessage]) -> int:
    return messages.order_by().values("id")[: EXACT_UP_TO + 1].count()
