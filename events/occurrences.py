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
