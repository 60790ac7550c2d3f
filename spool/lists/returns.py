"""Copies of posts that could not be delivered from here count for their subscribers (L-013)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mailinglists import bounces, signedids
from protocols.address import Address
from spool.decisions import Settled
from spool.models import State


def has_come_back(settled: Settled) -> bool:
    """Whether it was a copy, and will never arrive."""
    recipient = settled.result.recipient
    return bool(recipient.return_path) and settled.state in (State.BOUNCED, State.EXPIRED)


def count(returned: Iterable[Settled], now: datetime) -> None:
    """As the reports of other servers do that come back; whose patience has ended weighs less."""
    for one in returned:
        path = Address.parse(one.result.recipient.return_path)
        subscriber_id = signedids.returned_to(path.local_part)
        if subscriber_id is not None:
            bounces.record_bounce(
                subscriber_id=subscriber_id,
                is_permanent=one.state == State.BOUNCED,
                now=now,
                words=one.reply,
            )
