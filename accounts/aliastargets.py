"""Where the targets of an alias lead: read, kept as rows, never in a circle (U-030…U-032)."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q

from accounts import forwarding
from accounts.errors import AliasLoops, TargetMalformed, TargetUnknown
from accounts.models import CATCH_ALL, AliasTarget, LocalPart, UserAlias
from domains import selectors as domain_selectors
from domains.errors import NameMalformed, Problem, ValuesRefused
from domains.localparts import LocalPartMalformed, read_local_part
from domains.models import Domain, HostedName
from domains.names import read_name
from protocols.address import Address, MalformedAddress, fold, split_detail

LONGEST_LOCAL_PART = 64  # of the column; RFC 5321 §4.5.3.1.1

# A chain longer than this is not followed by routing either.
LONGEST_SEARCH = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """An address as rows know it; `domain_id` None: not ours."""

    local_part: str
    domain_name: str
    domain_id: int | None
    account_id: int | None = None

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain_name}"


def locate(domain: Domain, text: str) -> Place:
    """The address that a target means, under the primary name of a domain of ours."""
    try:
        if "@" not in text:
            return Place(read_local_part(text), domain.name, domain.pk)
        address = Address.parse(text)
        name = address.domain if address.is_literal else read_name(address.domain).name
    except (MalformedAddress, NameMalformed, LocalPartMalformed) as error:
        raise TargetMalformed(text, error.reason) from None
    if len(address.local_part) > LONGEST_LOCAL_PART:
        raise TargetMalformed(text, "the part before the @ is too long")
    hosted = HostedName.objects.select_related("domain").filter(name=name).first()
    if hosted is None:
        return Place(address.local_part, name, None)
    # Elsewhere local parts may tell cases apart (RFC 5321 §2.4); here they never do.
    return Place(fold(address.local_part), hosted.domain.name, hosted.domain_id)


def read(domain: Domain, targets: Sequence[str]) -> list[Place]:
    """Where the targets lead; accounts of ours by key.

    Raises TargetMalformed, TargetUnknown, ForwardingRefused, ValuesRefused.
    """
    if not targets:
        raise ValuesRefused((Problem("targets", "an alias needs at least one"),))
    places = [locate(domain, text) for text in targets]
    forwarding.require_allowed(
        domain, ((str(place), place.domain_name) for place in places if place.domain_id is None)
    )
    wanted = Q(pk=None)
    for place in places:
        if place.domain_id is not None:
            wanted |= Q(domain_id=place.domain_id, local_part=place.local_part)
    known = {(row.domain_id, row.local_part): row for row in LocalPart.objects.filter(wanted)}
    found = []
    for place in places:
        row = known.get((place.domain_id or 0, place.local_part))
        if row is None and place.domain_id == domain.pk:
            _require_reachable(domain, place)
        is_user = row is not None and row.kind == LocalPart.Kind.USER
        account_id = row.object_id if row is not None and is_user else None
        found.append(dataclasses.replace(place, account_id=account_id))
    return list(dict.fromkeys(found))


def insert(alias: UserAlias, places: Sequence[Place]) -> None:
    # Two spellings can mean one account.
    accounts = dict.fromkeys(p.account_id for p in places if p.account_id is not None)
    rows = [AliasTarget(alias=alias, account_id=key) for key in accounts]
    rows += [
        AliasTarget(alias=alias, local_part=place.local_part, domain_name=place.domain_name)
        for place in places
        if place.account_id is None
    ]
    AliasTarget.objects.bulk_create(rows)


def point_at_accounts(domain: Domain, owners: Mapping[str, int]) -> None:
    """Targets that name new accounts by address lead to them by key from now on."""
    rows = AliasTarget.objects.filter(
        account=None,
        local_part__in=owners,
        domain_name__in=domain_selectors.names_of(domain),
    )
    for row in rows:
        account_id = owners[row.local_part]
        if AliasTarget.objects.filter(alias=row.alias_id, account=account_id).exists():
            row.delete()
            continue
        row.account_id, row.local_part, row.domain_name = account_id, "", ""
        row.save()


def require_no_loop(domain: Domain, alias: UserAlias) -> None:
    """Follow the alias through aliases and domain aliases of ours. Raises AliasLoops."""
    start = Place(alias.local_part, domain.name, domain.pk)
    waiting: deque[tuple[UserAlias, tuple[str, ...]]] = deque([(alias, (str(start),))])
    seen: set[int] = set()
    while waiting and len(seen) < LONGEST_SEARCH:
        current, path = waiting.popleft()
        for target in current.targets.filter(account=None):
            name = f"{target.local_part}@{target.domain_name}"
            following = _alias_at(target)
            if following is None:
                continue
            if following.pk == alias.pk:
                raise AliasLoops((*path, name))
            if following.pk not in seen:
                seen.add(following.pk)
                waiting.append((following, (*path, name)))


def _require_reachable(domain: Domain, place: Place) -> None:
    """An address of the same domain without an entry may still be a detail or caught (U-032)."""
    base, _ = split_detail(place.local_part)
    reachable = LocalPart.objects.filter(domain=domain, local_part__in=[base, CATCH_ALL])
    if not reachable.exists():
        raise TargetUnknown(str(place))


def _alias_at(target: AliasTarget) -> UserAlias | None:
    """The alias that a target by address meets, in the order of U-032; None: something else."""
    hosted = HostedName.objects.filter(name=target.domain_name).first()
    if hosted is None:
        return None
    base, _ = split_detail(target.local_part)
    candidates = [target.local_part, base, CATCH_ALL]
    known = {
        row.local_part: row
        for row in LocalPart.objects.filter(domain_id=hosted.domain_id, local_part__in=candidates)
    }
    for candidate in candidates:
        row = known.get(candidate)
        if row is not None:
            is_alias = row.kind == LocalPart.Kind.ALIAS
            return UserAlias.objects.get(pk=row.object_id) if is_alias else None
    return None
