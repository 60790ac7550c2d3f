"""The four figures above the lists: counted at most twice a minute, as counting costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Q, Sum

from accounts import selectors
from accounts.models import Role, User
from domains.models import Domain
from mailboxes.models import DomainUsage
from operations.models import Connection
from spool import selectors as spool_selectors
from units import sizes

LASTING_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Figure:
    icon: str
    colour: str
    text: str
    detail: str


def of_provider(actor: User) -> list[Figure]:
    """For the domains in sight; the spool is the system administrators' alone."""
    counted: dict[str, Any] = cache.get_or_set(
        f"panel.figures.{actor.pk}", lambda: _count(actor), LASTING_SECONDS
    ) or _count(actor)
    return list(_figures(counted))


def _count(actor: User) -> dict[str, Any]:
    domains = selectors.domains_for(actor).order_by()
    is_system = actor.role == Role.SYSTEM_ADMINISTRATOR
    within: dict[str, Any] = {} if is_system else {"domain__in": domains.values("pk")}
    found: dict[str, Any] = domains.aggregate(
        domains=Count("pk"), disabled=Count("pk", filter=Q(is_disabled=True))
    )
    found["users"] = User.objects.filter(domain__isnull=False, **within).count()
    found["bytes"] = DomainUsage.objects.filter(**within).aggregate(all=Sum("bytes"))["all"] or 0
    sessions = Connection.objects.exclude(account_id=None)
    if is_system:
        found["spool"] = spool_selectors.count_waiting()
    else:
        sessions = sessions.filter(domain_id__in=domains.values("pk"))
    found["online"] = sessions.aggregate(all=Count("account_id", distinct=True))["all"]
    return found


def _figures(counted: dict[str, Any]) -> Iterator[Figure]:
    domains, disabled = counted["domains"], counted["disabled"]
    running = f"{domains - disabled:,} running, {disabled:,} disabled"
    yield Figure("globe", "blue", _number(domains, Domain), running)
    yield Figure("users", "green", _number(counted["users"], User), f"{counted['online']:,} online")
    if "spool" in counted:
        waiting = counted["spool"]
        yield Figure("send", "yellow", f"{waiting:,} in spool", "waiting to be delivered")
    yield Figure(
        "hard-drive", "azure", f"{sizes.in_words(counted['bytes'])} used", "by all mailboxes"
    )


def _number(count: int, model: type[Domain] | type[User]) -> str:
    names = model._meta
    return f"{count:,} {names.verbose_name if count == 1 else names.verbose_name_plural}"
