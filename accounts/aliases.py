"""The verbs on aliases and the catch-all: one address, many targets (U-030…U-034)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts import aliastargets, caps, localparts
from accounts.errors import AliasUnknown, LocalPartTaken
from accounts.models import CATCH_ALL, AliasTarget, LocalPart, UserAlias
from clock.moments import utc_now
from domains import selectors as domain_selectors
from domains.localparts import LocalPartMalformed, read_local_part
from domains.models import Domain
from domains.values import replace
from events import audit
from events.audit import Actor
from protocols.address import Address
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Values = Mapping[str, Any]

ALIAS_FIELDS = ("internal_only", "may_send_as", "in_address_list")
CATCH_ALL_FIELDS = (*ALIAS_FIELDS, "takes_reports")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlias:
    """An alias to be; targets are user names of the domain or whole addresses."""

    name: str
    targets: Sequence[str]
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A target that was taken out of an alias, with what is needed to put it back."""

    domain_id: int
    alias: str
    values: Values
    account_id: int | None
    local_part: str
    domain_name: str


def fields_of(local_part: str) -> tuple[str, ...]:
    """What can be set on the alias of that name."""
    return CATCH_ALL_FIELDS if local_part == CATCH_ALL else ALIAS_FIELDS


def add_alias(
    *,
    domain: Domain,
    name: str,
    targets: Sequence[str],
    by: Actor | None,
    values: Values | None = None,
) -> UserAlias:
    """One alias; `*` as the name makes the catch-all. Raises what `add_aliases` does."""
    new = NewAlias(name=name, targets=targets, values=values or {})
    return add_aliases(domain=domain, aliases=[new], by=by)[0]


@transaction.atomic
def add_aliases(
    *, domain: Domain, aliases: Sequence[NewAlias], by: Actor | None
) -> list[UserAlias]:
    """Many aliases in a few statements; all or none. They may lead to each other.

    Raises LocalPartMalformed, LocalPartTaken, LimitReached, TargetMalformed, TargetUnknown,
    ForwardingRefused, AliasLoops, ValuesRefused.
    """
    domain = domain_selectors.locked(domain.pk)
    caps.require_aliases(domain, adding=len(aliases))
    rows = [_new_row(domain, new) for new in aliases]
    names = [row.local_part for row in rows]
    localparts.require_free(domain, names)
    try:
        with transaction.atomic():
            UserAlias.objects.bulk_create(rows)
    except IntegrityError:
        raise LocalPartTaken(", ".join(names)) from None
    localparts.take(domain, localparts.Kind.ALIAS, {row.local_part: row.pk for row in rows})
    found = [aliastargets.read(domain, new.targets) for new in aliases]
    for row, places in zip(rows, found, strict=True):
        aliastargets.insert(row, places)
    for row in rows:
        aliastargets.require_no_loop(domain, row)
    audit.record_all(
        by,
        "added alias",
        (
            (row, {"targets": (None, [str(place) for place in places])})
            for row, places in zip(rows, found, strict=True)
        ),
    )
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)
    return rows


@transaction.atomic
def change_alias(
    *,
    alias: UserAlias,
    by: Actor | None,
    targets: Sequence[str] | None = None,
    values: Values | None = None,
) -> UserAlias:
    """Set the given values; `targets` None: they stay.

    Raises as `add_aliases` does, and AliasUnknown if it has just been deleted.
    """
    domain = domain_selectors.locked(alias.domain_id)
    _lock([alias.pk])
    found = UserAlias.objects.select_related("domain").filter(pk=alias.pk).first()
    if found is None:
        raise AliasUnknown(str(alias))
    alias = found
    changes = replace(alias, values or {}, fields=fields_of(alias.local_part))
    if changes:
        alias.save(update_fields=list(changes))
    if targets is not None:
        old = target_names(alias)
        places = aliastargets.read(domain, targets)
        alias.targets.all().delete()
        aliastargets.insert(alias, places)
        aliastargets.require_no_loop(domain, alias)
        if old != (new := target_names(alias)):
            changes["targets"] = (old, new)
    if changes:
        _finish(alias, "changed alias", changes, by)
    return alias


@transaction.atomic
def delete_alias(*, alias: UserAlias, by: Actor | None) -> None:
    """Mail to it is unknown from now on; other aliases no longer lead to it."""
    domain = domain_selectors.locked(alias.domain_id)
    found = UserAlias.objects.select_related("domain").filter(pk=alias.pk).first()
    if found is None:
        return
    local_part = found.local_part
    _delete(domain, found, by)
    drop_targets(domain, [local_part], accounts=[], by=by)


@transaction.atomic
def set_catch_all(
    *, domain: Domain, targets: Sequence[str], by: Actor | None, values: Values | None = None
) -> UserAlias | None:
    """Who gets mail for unknown local parts (U-034); no targets: nobody, it is unknown.

    `values` that are not given stay, or are the defaults of a new one.
    """
    domain = domain_selectors.locked(domain.pk)
    alias = UserAlias.objects.filter(domain=domain, local_part=CATCH_ALL).first()
    if alias is not None and not targets:
        _delete(domain, alias, by)
        return None
    if alias is not None:
        return change_alias(alias=alias, targets=targets, values=values, by=by)
    if targets:
        return add_alias(domain=domain, name=CATCH_ALL, targets=targets, values=values, by=by)
    return None


def target_names(alias: UserAlias) -> list[str]:
    """Targets as people write them: the local part alone within the same domain."""
    rows = alias.targets.select_related("account__domain").order_by("pk")
    return [target_name(alias.domain, row) for row in rows]


def target_name(domain: Domain, target: AliasTarget) -> str:
    account = target.account
    if account is not None and account.domain is not None:
        return _shorten(domain, account.local_part, account.domain.name)
    return _shorten(domain, target.local_part, target.domain_name)


def normal_targets(domain: Domain, targets: Sequence[str]) -> list[str]:
    """The same form for targets as somebody wrote them. Raises TargetMalformed."""
    places = [aliastargets.locate(domain, text) for text in targets]
    return [_shorten(domain, place.local_part, place.domain_name) for place in places]


def _shorten(domain: Domain, local_part: str, domain_name: str) -> str:
    is_own = domain_name == domain.name and _is_plain(local_part)
    return local_part if is_own else Address(local_part, domain_name).encode()


def _is_plain(local_part: str) -> bool:
    try:
        return read_local_part(local_part) == local_part
    except LocalPartMalformed:
        return False


def drop_targets(
    domain: Domain,
    local_parts: Sequence[str],
    *,
    accounts: Sequence[int],
    by: Actor | None,
    spare: Domain | None = None,
) -> list[Dropped]:
    """Take what is going out of all aliases; an alias that leads nowhere any more goes, too.

    `spare`: the domain whose own aliases stay as they are.
    """
    dropped: list[Dropped] = []
    going = deque([(domain, list(local_parts), list(accounts))])
    while going:
        where, names, keys = going.popleft()
        by_name = Q(local_part__in=names, domain_name__in=domain_selectors.names_of(where))
        targets = AliasTarget.objects.filter(Q(account__in=keys) | by_name)
        if spare is not None:
            targets = targets.exclude(alias__domain=spare)
        rows = list(targets.select_related("alias").order_by("pk"))
        touched = {row.alias_id for row in rows}
        _lock(touched)
        dropped += [_dropped(row) for row in rows]
        targets.delete()
        for alias in UserAlias.objects.select_related("domain").filter(
            pk__in=touched, targets=None
        ):
            local_part, its_domain = alias.local_part, alias.domain
            _delete(its_domain, alias, by)
            going.append((its_domain, [local_part], []))
    return dropped


def drop_targets_elsewhere(
    domain: Domain, accounts: Sequence[int], *, by: Actor | None
) -> list[Dropped]:
    """The same for accounts of a domain that goes as a whole: its own aliases stay."""
    elsewhere = AliasTarget.objects.filter(account__in=accounts).exclude(alias__domain=domain)
    dropped: list[Dropped] = []
    for key in elsewhere.order_by("pk").values_list("account_id", flat=True).distinct():
        dropped += drop_targets(domain, [], accounts=[key or 0], by=by, spare=domain)
    return dropped


def put_back(dropped: Sequence[Dropped], *, by: Actor | None) -> None:
    """Let aliases lead again to what has come back; where one has gone, it comes back, too.

    What cannot be had any more, as its name is taken or its domain gone, is left out.
    """
    for one in dropped:
        domain = Domain.objects.filter(pk=one.domain_id).first()
        if domain is None:
            continue
        alias = UserAlias.objects.filter(domain=domain, local_part=one.alias).first()
        if alias is None:
            if LocalPart.objects.filter(domain=domain, local_part=one.alias).exists():
                continue
            alias = UserAlias.objects.create(
                domain=domain, local_part=one.alias, created_at=utc_now(), **one.values
            )
            localparts.take(domain, localparts.Kind.ALIAS, {one.alias: alias.pk})
        old = target_names(alias)
        AliasTarget.objects.get_or_create(
            alias=alias,
            account_id=one.account_id,
            local_part=one.local_part,
            domain_name=one.domain_name,
        )
        if old != (new := target_names(alias)):
            _finish(alias, "changed alias" if old else "added alias", {"targets": (old, new)}, by)


def _lock(keys: Iterable[int]) -> None:
    """Of two who take an alias its last two targets, the second one sees that none is left.

    Targets may lie in other domains, whose changes do not queue at the alias's own domain.
    """
    list(UserAlias.objects.select_for_update().filter(pk__in=keys).order_by("pk"))


def _dropped(row: AliasTarget) -> Dropped:
    alias = row.alias
    return Dropped(
        domain_id=alias.domain_id,
        alias=alias.local_part,
        values={name: getattr(alias, name) for name in fields_of(alias.local_part)},
        account_id=row.account_id,
        local_part=row.local_part,
        domain_name=row.domain_name,
    )


def _new_row(domain: Domain, new: NewAlias) -> UserAlias:
    local_part = CATCH_ALL if new.name == CATCH_ALL else read_local_part(new.name)
    row = UserAlias(domain=domain, local_part=local_part, created_at=utc_now())
    replace(row, new.values, fields=fields_of(local_part))
    return row


def _delete(domain: Domain, alias: UserAlias, by: Actor | None) -> None:
    fields = fields_of(alias.local_part)
    kept: dict[str, Any] = {name: (getattr(alias, name), None) for name in fields}
    audit.record(by, "deleted alias", alias, {"targets": (target_names(alias), None), **kept})
    key = alias.pk
    localparts.free(localparts.Kind.ALIAS, [key])
    alias.delete()
    publish_on_commit(Topic.ACCOUNT, key, domain.pk.to_bytes(8, "big"), durable=True)
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)


def _finish(alias: UserAlias, verb: str, changes: audit.Changes, by: Actor | None) -> None:
    audit.record(by, verb, alias, changes)
    payload = alias.domain_id.to_bytes(8, "big")
    publish_on_commit(Topic.ACCOUNT, alias.pk, payload, durable=True)
    publish_on_commit(Topic.DOMAIN, alias.domain_id, durable=True)
