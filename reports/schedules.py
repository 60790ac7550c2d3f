"""Adding, changing and deleting reports that are mailed; who sees which (R-020, M-036)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import permissions, selectors
from accounts.models import Role, User
from domains import values as domain_values
from domains.errors import ChangedMeanwhile, Problem, ValuesRefused
from domains.models import Domain
from events import audit
from protocols.address import Address, MalformedAddress
from reports import asking, rhythm
from reports.errors import ScheduleUnknown
from reports.models import Kind, Rhythm, Run, Schedule

SETTINGS = ("rhythm", "hour", "days", "inactive", "is_paused")
MOST_ADDRESSES = 20
# Of one owner: whoever needs more wants another report.
MOST_SCHEDULES = 100


def schedules_for(actor: User) -> QuerySet[Schedule]:
    """System administrators: all; others: of the domains in sight, users their own."""
    rows = Schedule.objects.select_related(
        "domain", "account__domain", "owner__domain"
    ).order_by("-id")  # fmt: skip
    if not actor.is_active:
        return rows.none()
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return rows
    if actor.role == Role.USER:
        return rows.filter(account_id=actor.pk)
    domains = selectors.domains_for(actor).values("pk")
    return rows.filter(Q(domain__in=domains) | Q(account__domain__in=domains))


def schedule_for(actor: User, number: int) -> Schedule:
    """Raises ScheduleUnknown."""
    row = schedules_for(actor).filter(pk=number).first()
    if row is None:
        raise ScheduleUnknown(number)
    return row


@transaction.atomic
def add(
    *,
    kind: Kind,
    values: Mapping[str, Any],
    addresses: Iterable[str],
    by: User,
    now: datetime,
    domain: str = "",
    address: str = "",
    owner: User | None = None,
) -> Schedule:
    """Mail a report from now on, with the rights of `owner`, or of whoever adds it.

    Raises ValuesRefused; what `asking.wanted_for` raises; FeatureOff for the domain's own people
    where reports are not mailed (D-068).
    """
    owner = owner or by
    wanted = asking.wanted_for(by, kind, days=_some_days(now), now=now, domain=domain,
                               address=address)  # fmt: skip
    _require_mailing(by, wanted.domain or (wanted.account.domain if wanted.account else None))
    if Schedule.objects.filter(owner=owner).count() >= MOST_SCHEDULES:
        reason = f"there are {MOST_SCHEDULES} already, delete one first"
        raise ValuesRefused((Problem("kind", reason),))
    row = Schedule(kind=kind, domain=wanted.domain, account=wanted.account, owner=owner,
                   created_at=now, addresses=_checked(addresses, owner))  # fmt: skip
    domain_values.replace(row, values, fields=SETTINGS)
    row.next_at = _next(row, now)
    row.save()
    audit.record(by, "added mailed report", row, {n: (None, v) for n, v in _described(row).items()})
    return row


@transaction.atomic
def change(
    *,
    schedule: Schedule,
    values: Mapping[str, Any],
    by: User | None,
    now: datetime,
    addresses: Iterable[str] | None = None,
    expected_version: int | None = None,
) -> Schedule:
    """Raises ValuesRefused, ChangedMeanwhile, FeatureOff."""
    row = _lock(schedule)
    if expected_version is not None and row.version != expected_version:
        raise ChangedMeanwhile(expected_version, row.version)
    if by is not None:
        _require_mailing(by, domain_of(row))
    changes = domain_values.replace(row, values, fields=SETTINGS)
    if addresses is not None:
        checked = _checked(addresses, row.owner, by)
        if checked != row.addresses:
            changes["addresses"] = (row.addresses, checked)
            row.addresses = checked
    if changes:
        if changes.keys() & {"rhythm", "hour", "is_paused"}:
            row.next_at = _next(row, now)
        row.version += 1
        row.save()
        audit.record(by, "changed mailed report", row, changes)
    return row


@transaction.atomic
def delete(*, schedule: Schedule, by: User | None) -> None:
    """What it has sent stays sent."""
    row = _lock(schedule)
    changes = {name: (value, None) for name, value in _described(row).items()}
    audit.record(by, "deleted mailed report", row, changes)
    row.delete()


@transaction.atomic
def send_now(*, schedule: Schedule, by: User, now: datetime) -> Run:
    """Once more, within a minute; what is due later stays due. Raises FeatureOff."""
    row = _lock(schedule)
    _require_mailing(by, domain_of(row))
    run = open_run(row, now)
    audit.record(by, "sent mailed report", row)
    return run


def open_run(row: Schedule, due_at: datetime) -> Run:
    """Write down that it is due: from here on it is sent, whatever dies; once for each time."""
    days = rhythm.days_of(row.rhythm, due_at, days=row.days)
    runs: Any = Run.objects
    run: Run = runs.get_or_create(
        schedule=row, due_at=due_at, defaults={"first": days.first, "last": days.last}
    )[0]
    return run


def domain_of(row: Schedule) -> Domain | None:
    """Whose switches and priorities count; None: the server's own."""
    return row.domain or (row.account.domain if row.account else None)


def own_address(person: User) -> str:
    """Empty: he has no mailbox."""
    return f"{person.local_part}@{person.domain.name}" if person.domain is not None else ""


def _lock(schedule: Schedule) -> Schedule:
    """Raises ScheduleUnknown."""
    row = Schedule.objects.select_for_update(of=("self",)).filter(pk=schedule.pk).first()
    if row is None:
        raise ScheduleUnknown(schedule.pk)
    return row


def _require_mailing(by: User, domain: Domain | None) -> None:
    """The switch binds the domain's own people at once, and all mail when it is due (D-068)."""
    if domain is not None and by.role not in asking.PROVIDERS:
        permissions.require_feature(domain, "email_reports")


def _next(row: Schedule, now: datetime) -> datetime | None:
    if row.rhythm == Rhythm.ONCE:
        is_sent = row.pk is not None and row.runs.exists()
        return None if is_sent else now
    return rhythm.next_after(row.rhythm, row.hour, now)


def _checked(addresses: Iterable[str], *people: User | None) -> list[str]:
    """Raises ValuesRefused. If one of the people is an ordinary user, it goes to him only."""
    found: list[str] = []
    for text in addresses:
        try:
            address = str(Address.parse(text.strip()))
        except MalformedAddress as error:
            raise ValuesRefused(
                (Problem("addresses", f"{text.strip()}: {error.reason}"),)
            ) from None
        if address not in found:
            found.append(address)
    if not 0 < len(found) <= MOST_ADDRESSES:
        reason = f"must be 1 to {MOST_ADDRESSES} addresses"
        raise ValuesRefused((Problem("addresses", reason),))
    for person in people:
        if person is not None and person.role == Role.USER and found != [own_address(person)]:
            reason = f"can only be {own_address(person)}"
            raise ValuesRefused((Problem("addresses", reason),))
    return found


def _described(row: Schedule) -> dict[str, Any]:
    """All that is needed to add it again."""
    return {
        "kind": row.kind,
        "domain": row.domain.name if row.domain else "",
        "account": str(row.account) if row.account else "",
        "owner": row.owner_id,
        "addresses": row.addresses,
        **{name: getattr(row, name) for name in SETTINGS},
    }


def _some_days(now: datetime) -> Any:
    return rhythm.days_of(Rhythm.DAILY, now, days=1)
