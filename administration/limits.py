"""The limits in force for a domain or a user: every ceiling, which one binds, what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Sum

from accounts import caps
from accounts.models import DomainOwnership, Plan, ResellerPlan, User, UserAlias
from accounts.settings import CAPS
from clock.moments import from_micros, to_micros
from domains import selectors as domain_selectors
from domains.models import Domain, DomainLimits, DomainThrottling
from domains.policy import KILOBYTE, MEGABYTE, Throttling, read_throttling
from mailboxes.models import AccountUsage, DomainUsage
from mailinglists.models import MailingList
from operations.services import LISTENERS
from spool import throttle
from spool.models import ThrottleHour
from spool.throttle import Kind

TOGETHER = "all domains together"
SYSTEM = f"system, {TOGETHER}"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What one place allows. `allowed` None: it sets no limit; `used` None: nothing is counted."""

    source: str  # "system", "plan small", "domain" or "user"; of some also over what it holds
    allowed: int | None
    used: int | None = None

    @property
    def left(self) -> int | None:
        """None: there is no limit, or nothing to count. Never negative."""
        if self.allowed is None or self.used is None:
            return None
        return max(self.allowed - self.used, 0)

    @property
    def is_over(self) -> bool:
        return self.allowed is not None and self.used is not None and self.used > self.allowed


@dataclass(frozen=True, slots=True)
class InForce:
    """One limit with its chain from the system down."""

    limit: str  # as LimitReached names it
    unit: str  # "count" or "bytes"
    chain: tuple[Ceiling, ...]
    resets_at: datetime | None = None  # when `used` begins anew

    @property
    def binding(self) -> Ceiling | None:
        """The ceiling that is met first; None: nothing limits."""
        limited = [one for one in self.chain if one.allowed is not None]
        return min(limited, key=_room, default=None)

    @property
    def allowed(self) -> int | None:
        return self.binding.allowed if self.binding else None

    @property
    def used(self) -> int | None:
        if self.binding is not None:
            return self.binding.used
        return self.chain[-1].used if self.chain else None

    @property
    def left(self) -> int | None:
        return self.binding.left if self.binding else None


def as_customers_see(found: tuple[InForce, ...]) -> tuple[InForce, ...]:
    """Without what the reseller's other domains use, or the server's: a cap over all of them that
    binds shows as the provider's, in numbers of this domain alone.
    """
    return _as_seen(found, hidden=("plan ", SYSTEM))


def as_resellers_see(found: tuple[InForce, ...]) -> tuple[InForce, ...]:
    """The same without what the domains of others use."""
    return _as_seen(found, hidden=(SYSTEM,))


def _as_seen(found: tuple[InForce, ...], *, hidden: tuple[str, ...]) -> tuple[InForce, ...]:
    return tuple(replace(one, chain=tuple(_seen(one, hidden))) for one in found)


def _seen(one: InForce, hidden: tuple[str, ...]) -> Iterator[Ceiling]:
    own = one.chain[-1].used or 0
    for ceiling in one.chain:
        if not ceiling.source.startswith(hidden):
            yield ceiling
        elif ceiling is one.binding and ceiling.left is not None:
            yield Ceiling("provider", own + ceiling.left, own)
        elif not ceiling.source.endswith(TOGETHER):
            yield replace(ceiling, source="provider")


def _room(ceiling: Ceiling) -> int:
    return (ceiling.allowed or 0) if ceiling.left is None else ceiling.left


def of_server() -> tuple[InForce, ...]:
    """What all domains together may have (X-011)."""
    row = CAPS.load()
    space = row.disk_space_mb * MEGABYTE or None
    return (
        InForce("domains", "count", _system(row.domains or None, Domain.objects.count())),
        InForce("users", "count", _system(row.users or None, caps.mailbox_users())),
        InForce("disk_space", "bytes", _system(space, _space_of_all())),
        InForce(
            "mailing_lists",
            "count",
            _system(row.mailing_lists or None, MailingList.objects.count()),
        ),
    )


def _system(allowed: int | None, used: int | None) -> tuple[Ceiling, ...]:
    return (Ceiling("system", allowed, used),)


def _space_of_all() -> int:
    return int(DomainUsage.objects.aggregate(total=Sum("bytes"))["total"] or 0)


def _of_all(allowed: int, used: Callable[[], int | None]) -> Iterator[Ceiling]:
    """The server's cap in the chain of one domain, where there is one; counted only then."""
    if allowed:
        yield Ceiling(SYSTEM, allowed, used())


def of_domain(domain: Domain, *, now: datetime) -> tuple[InForce, ...]:
    """In the order of the Limits tab, then what an hour allows."""
    return (*_of_domain(domain), *_hourly(((Kind.DOMAIN, domain),), now))


def of_user(user: User, *, now: datetime) -> tuple[InForce, ...]:
    """Of somebody with a mailbox; the domain's own ceilings stand in the chain where they bind
    the user, too.
    """
    domain = user.domain
    if domain is None:
        return ()
    limits = DomainLimits.objects.get(domain=domain)
    usage = AccountUsage.objects.filter(account=user).first()
    own = Ceiling("user", user.mailbox_size_mb * MEGABYTE or None, usage.bytes if usage else 0)
    space = _disk_space(domain, limits)
    return (
        InForce(space.limit, space.unit, (*space.chain, own)),
        _message_size(limits),
        _recipients(limits),
        InForce("pop_retrieval_accounts", "count", _alone(limits.pop_retrieval_accounts)),
        InForce("imap_retrieval_accounts", "count", _alone(limits.imap_retrieval_accounts)),
        *_hourly(((Kind.DOMAIN, domain), (Kind.USER, user)), now),
    )


def of_name(name: str, *, now: datetime) -> tuple[InForce, ...]:
    """Of a domain, or of a user by address. Raises DomainUnknown, User.DoesNotExist."""
    if "@" in name:
        return of_user(User.objects.get_by_natural_key(name), now=now)
    return of_domain(domain_selectors.by_name(name), now=now)


def _of_domain(domain: Domain) -> Iterator[InForce]:
    limits = DomainLimits.objects.get(domain=domain)
    yield _disk_space(domain, limits)
    users = User.objects.filter(domain=domain).count()
    server = CAPS.load()
    chain = [
        *_of_all(server.users, caps.mailbox_users),
        *_plan_ceilings(domain),
        Ceiling("domain", limits.users or None, users),
    ]
    yield InForce("users", "count", tuple(chain))
    counted = (
        ("user_aliases", UserAlias.objects.filter(domain=domain).count()),
        ("domain_aliases", domain.aliases.count()),
    )
    for name, used in counted:
        yield InForce(name, "count", (Ceiling("domain", getattr(limits, name) or None, used),))
    plan, reseller_id = _plan_of(domain)
    above = [*_of_all(server.mailing_lists, MailingList.objects.count)]
    if plan:
        under = MailingList.objects.filter(domain__ownership__reseller=reseller_id).count()
        above.append(Ceiling(f"plan {plan}, {TOGETHER}", plan.mailing_lists or None, under))
    used = MailingList.objects.filter(domain=domain).count()
    lists = Ceiling("domain", limits.mailing_lists or None, used)
    yield InForce("mailing_lists", "count", (*above, lists))
    yield InForce("pop_retrieval_accounts", "count", _alone(limits.pop_retrieval_accounts))
    yield InForce("imap_retrieval_accounts", "count", _alone(limits.imap_retrieval_accounts))
    yield _message_size(limits)
    yield _recipients(limits)


def _plan_of(domain: Domain) -> tuple[Plan | None, int | None]:
    """The plan over the domain, and the key of the reseller who is on it."""
    owner = DomainOwnership.objects.filter(domain=domain).first()
    if owner is None:
        return None, None
    row = ResellerPlan.objects.select_related("plan").filter(reseller=owner.reseller_id).first()
    return (row.plan, owner.reseller_id) if row else (None, None)


def _plan_ceilings(domain: Domain) -> Iterator[Ceiling]:
    """On users: over all domains of the reseller together, and in each of them."""
    plan, reseller = _plan_of(domain)
    if plan is None:
        return
    everywhere = User.objects.filter(domain__ownership__reseller=reseller).count()
    yield Ceiling(f"plan {plan}, {TOGETHER}", plan.users or None, everywhere)
    here = User.objects.filter(domain=domain).count()
    yield Ceiling(f"plan {plan}, each domain", plan.users_per_domain or None, here)


def _disk_space(domain: Domain, limits: DomainLimits) -> InForce:
    plan, reseller = _plan_of(domain)
    chain = [*_of_all(CAPS.load().disk_space_mb * MEGABYTE, _space_of_all)]
    if plan is not None:
        owned = DomainUsage.objects.filter(domain__ownership__reseller=reseller)
        used = sum(owned.values_list("bytes", flat=True))
        allowed = plan.disk_space_mb * MEGABYTE or None
        chain.append(Ceiling(f"plan {plan}, {TOGETHER}", allowed, used))
    usage = DomainUsage.objects.filter(domain=domain).first()
    allowed = limits.disk_space_mb * MEGABYTE or None
    chain.append(Ceiling("domain", allowed, usage.bytes if usage else 0))
    return InForce("disk_space", "bytes", tuple(chain))


def _message_size(limits: DomainLimits) -> InForce:
    system = Ceiling("system", LISTENERS.load().message_size_mb * MEGABYTE or None)
    domain = Ceiling("domain", limits.max_message_size_kb * KILOBYTE or None)
    return InForce("message_size", "bytes", (system, domain))


def _recipients(limits: DomainLimits) -> InForce:
    return InForce("recipients_per_message", "count", _alone(limits.recipients_per_message))


def _alone(number: int) -> tuple[Ceiling, ...]:
    return (Ceiling("domain", number or None),)


def _hourly(owners: tuple[tuple[Kind, Any], ...], now: datetime) -> Iterator[InForce]:
    """What the clock hour allows each of them, with what they have used of it (T-001…T-012)."""
    hour = throttle.hour_of(to_micros(now))
    ends_at = from_micros(throttle.next_hour(to_micros(now)))
    places = []
    for kind, owner in owners:
        row = owner if kind is Kind.USER else DomainThrottling.objects.get(domain=owner)
        counts = ThrottleHour.objects.filter(kind=kind, key_id=owner.pk, hour=hour).first()
        places.append((kind.value, read_throttling(row), counts or ThrottleHour()))
    for name, unit, column, counter in (
        ("outgoing_messages_per_hour", "count", "outgoing_messages_per_hour", "messages"),
        ("outgoing_bandwidth_per_hour", "bytes", "outgoing_bytes_per_hour", "sent_bytes"),
        ("bounces_received_per_hour", "count", "bounces_received_per_hour", "own_bounces"),
    ):
        chain = tuple(
            Ceiling(source, _allowed(throttling, column), _since_release(counts, counter))
            for source, throttling, counts in places
        )
        yield InForce(name, unit, chain, ends_at)


def _allowed(throttling: Throttling, column: str) -> int | None:
    allowed: int | None = getattr(throttling, column)
    return allowed


def _since_release(counts: ThrottleHour, counter: str) -> int:
    used: int = getattr(counts, counter) - getattr(counts, f"{counter}_before")
    return used
