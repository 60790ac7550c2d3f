"""What happened, written in the transaction in which it happened: exactly once, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from events.models import Occurrence
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic


class EventType(StrEnum):
    """The events that somebody emits."""

    MAILING_LIST_ADDED = "E-017"
    MAILING_LIST_DELETED = "E-018"
    MESSAGE_SENT_TO_MAILING_LIST = "E-019"
    USER_THROTTLED = "E-023"
    DOMAIN_THROTTLED = "E-024"


def emit(
    event: EventType,
    *,
    domain_id: int | None,
    at: datetime,
    facts: Mapping[str, Any],
    account_id: int | None = None,
) -> Occurrence:
    """Write it down, and tell whoever acts on events once the caller's transaction is committed.

    `facts` are names to plain values: texts, numbers and truths.
    """
    occurrence = Occurrence.objects.create(
        type=event.value, domain_id=domain_id, account_id=account_id, at=at, facts=dict(facts)
    )
    publish_on_commit(Topic.EVENTS, domain_id or 0)
    return occurrence


def forget_before(moment: datetime, *, at_once: int) -> int:
    """Delete up to `at_once` of what happened before that moment, the oldest first; how many."""
    old = Occurrence.objects.filter(at__lt=moment).order_by("at")
    ids = list(old.values_list("pk", flat=True)[:at_once])
    Occurrence.objects.filter(pk__in=ids).delete()
    return len(ids)
