"""What a user may read of his domain's addresses: people and aliases, asked for by criteria.

Mailing lists are found by the same criteria in their own room, `mailinglists.addressbook`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from accounts import addresslist
from accounts.models import Role, Status, User, UserAlias
from accounts.models.alias import CATCH_ALL
from accounts.services import CONTACT_FIELDS
from domains.lookups import begins_with


class Kind(enum.Enum):
    """In the order in which they are read."""

    USER = "user"
    ALIAS = "alias"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class View:
    """Whose eyes. An administrator sees all that can get mail, hidden or not (N-052, D-057)."""

    domain_id: int
    is_administrator: bool
    is_open: bool  # D-094: the domain has a Global Address List


@dataclass(frozen=True, slots=True)
class Listed:
    """One address; `local_part` is `*` for the domain's catch-all, which administrators see.

    `details` are those of CONTACT_FIELDS that the user has, `description` is a mailing list's.
    """

    kind: Kind
    local_part: str
    full_name: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    @property
    def is_catch_all(self) -> bool:
        return self.local_part == CATCH_ALL


@dataclass(frozen=True, slots=True)
class AddressIs:
    """`local_part` is folded."""

    local_part: str


@dataclass(frozen=True, slots=True)
class AddressBegins:
    """`text` is in lower case."""

    text: str


@dataclass(frozen=True, slots=True)
class AddressContains:
    text: str


@dataclass(frozen=True, slots=True)
class NameContains:
    """The full name or the local part, which stands for a name where there is none.

    `text` is ASCII: what SQLite compares without regard to case.
    """

    text: str


@dataclass(frozen=True, slots=True)
class DetailContains:
    """One of CONTACT_FIELDS. `text` is ASCII."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class OfKind:
    kind: Kind


@dataclass(frozen=True, slots=True)
class AllOf:
    criteria: tuple[Criterion, ...]  # none: everything


@dataclass(frozen=True, slots=True)
class AnyOf:
    criteria: tuple[Criterion, ...]  # none: nothing


Criterion = (
    AddressIs | AddressBegins | AddressContains | NameContains | DetailContains | OfKind | AllOf
    | AnyOf
)  # fmt: skip
EVERYTHING = AllOf(())
NOTHING = AnyOf(())


def view_for(account_id: int) -> View | None:
    """None: the user is gone."""
    row = (
        User.objects.filter(pk=account_id, domain__isnull=False)
        .values_list("domain_id", "role", "domain__domainsharing__global_address_list")
        .first()
    )
    if row is None or row[0] is None:
        return None
    return View(row[0], row[1] == Role.DOMAIN_ADMINISTRATOR, row[2])


def read(view: View, criterion: Criterion, kind: Kind, *, after: str, rows: int) -> list[Listed]:
    """The next addresses in the order of their local parts, behind `after` ("": from the first).

    Of users and aliases. Fewer than `rows`: there are no more.
    """
    if not view.is_open:
        return []
    found: QuerySet[User] | QuerySet[UserAlias]
    found = _users(view) if kind is Kind.USER else _aliases(view)
    found = found.filter(_condition(criterion, kind), domain=view.domain_id)
    if after:
        found = found.filter(local_part__gt=after)
    found = found.order_by("local_part")
    if kind is Kind.ALIAS:
        return [Listed(kind, name) for name in found.values_list("local_part", flat=True)[:rows]]
    columns = found.values_list("local_part", "full_name", *CONTACT_FIELDS)[:rows]
    return [
        Listed(kind, local_part, full_name, _details(details))
        for local_part, full_name, *details in columns
    ]


def _details(values: Sequence[str]) -> dict[str, str]:
    return {name: value for name, value in zip(CONTACT_FIELDS, values, strict=True) if value}


def _users(view: View) -> QuerySet[User]:
    if view.is_administrator:
        return User.objects.exclude(status=Status.DISABLED)
    return addresslist.listed(User.objects.filter(status=Status.ENABLED))


def _aliases(view: View) -> QuerySet[UserAlias]:
    rows = UserAlias.objects.all()
    if view.is_administrator:
        return rows
    return rows.filter(in_address_list=True).exclude(local_part=CATCH_ALL)


_NO_ROW = Q(pk__in=())


def _condition(criterion: Criterion, kind: Kind) -> Q:
    match criterion:
        case AddressIs(local_part):
            return Q(local_part=local_part)
        case AddressBegins(text):
            return begins_with("local_part", text)
        case AddressContains(text):
            return Q(local_part__icontains=text)
        case NameContains(text):
            by_address = Q(local_part__icontains=text)
            return by_address | Q(full_name__icontains=text) if kind is Kind.USER else by_address
        case DetailContains(name, text):
            return Q(**{f"{name}__icontains": text}) if kind is Kind.USER else _NO_ROW
        case OfKind(wanted):
            return Q() if wanted is kind else _NO_ROW
        case AllOf(criteria):
            condition = Q()
            for each in criteria:
                condition &= _condition(each, kind)
            return condition
        case AnyOf(criteria):
            return _any_of(criteria, kind)


def _any_of(criteria: tuple[Criterion, ...], kind: Kind) -> Q:
    condition = _NO_ROW
    for each in criteria:
        one = _condition(each, kind)
        if not one:  # an empty condition is true of all, yet Q() | x is x
            return one
        condition = one if condition is _NO_ROW else condition | one
    return condition
