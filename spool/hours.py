"""The ledger hour by hour, for whoever may see it; and refused mail, latest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.db.models import Q, Sum

from accounts import selectors
from accounts.models import Role, User
from clock.moments import from_micros, to_micros
from spool.ledger import COLUMNS, ENDS, HOUR_MICROS
from spool.models import LedgerHour, RefusedMail

LONGEST = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Hour:
    """What one hour brought; `domain` empty: all that are in sight together."""

    begins_at: datetime
    accepted: int
    ends: dict[str, int]

    @property
    def ended(self) -> int:
        return sum(self.ends.values())


def hours_for(
    actor: User | None, *, since: datetime, until: datetime, domain_id: int | None = None
) -> list[Hour]:
    """Latest first, hours without mail left out; `domain_id` None: the sum of all in sight."""
    since = max(since, until - LONGEST)
    rows = LedgerHour.objects.filter(
        hour__gte=to_micros(since) // HOUR_MICROS, hour__lte=to_micros(until) // HOUR_MICROS
    )
    if actor is not None and actor.role != Role.SYSTEM_ADMINISTRATOR:
        rows = rows.filter(domain_id__in=selectors.domains_for(actor).values("pk"))
    if domain_id is not None:
        rows = rows.filter(domain_id=domain_id)
    annotated = (
        rows.order_by("-hour").values("hour").annotate(**{f"n_{n}": Sum(n) for n in COLUMNS})
    )
    sums: Iterable[Mapping[str, int]] = cast("Iterable[Mapping[str, int]]", annotated)
    return [
        Hour(
            from_micros(row["hour"] * HOUR_MICROS),
            row["n_accepted"],
            {name: row[f"n_{name}"] for name in ENDS},
        )
        for row in sums
    ]


def refused_mail(
    *, words: str = "", before: int | None = None, limit: int = 100
) -> list[RefusedMail]:
    """Latest first, from before the id `before` on; `words`: an address, a client or a domain."""
    rows = RefusedMail.objects.order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=before)
    if "@" in words[1:]:
        rows = rows.filter(Q(recipient=words) | Q(sender=words))
    elif words:
        at = words if words.startswith("@") else f"@{words}"
        rows = rows.filter(
            Q(client_address=words) | Q(recipient__iendswith=at) | Q(sender__iendswith=at)
        )
    return list(rows[:limit])
