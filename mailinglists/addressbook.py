"""The mailing lists that somebody finds among the addresses of his domain (N-050, N-052)."""

from __future__ import annotations

from django.db.models import Q

from accounts.addressbook import (
    AddressBegins,
    AddressContains,
    AddressIs,
    AllOf,
    AnyOf,
    Criterion,
    Kind,
    Listed,
    NameContains,
    OfKind,
    View,
)
from domains import switches
from domains.lookups import begins_with
from mailinglists.addresses import Part, local_parts
from mailinglists.models import MailingList

_NO_ROW = Q(pk__in=())


def read(view: View, criterion: Criterion, *, after: str, rows: int) -> list[Listed]:
    """As `accounts.addressbook.read` does: users see public lists, administrators all.

    None while lists are switched off (D-070): then their addresses take no mail either.
    """
    if not view.is_open or not switches.is_on(view.domain_id, "mailing_lists"):
        return []
    found = MailingList.objects.filter(_condition(criterion), domain=view.domain_id)
    if not view.is_administrator:
        found = found.filter(is_public=True)
    if after:
        found = found.filter(local_part__gt=after)
    columns = found.order_by("local_part").values_list("local_part", "description")[:rows]
    return [Listed(Kind.LIST, name, description=description) for name, description in columns]


def addresses_of(local_part: str) -> tuple[str, ...]:
    """The local parts that a list has beside its own (L-002)."""
    return tuple(name for name in local_parts(local_part) if name != local_part)


def _condition(criterion: Criterion) -> Q:
    """Never fewer than match: by the list's own name, or by one of its further addresses."""
    match criterion:
        case AddressIs(local_part):
            return Q(local_part__in=[local_part, *_names_before(local_part)])
        case AddressBegins(text):
            return begins_with("local_part", text) | Q(local_part__in=_names_before(text))
        case AddressContains(text):
            may_be_of_suffix = "-" in text or any(text in part for part in Part)
            return Q() if may_be_of_suffix else Q(local_part__icontains=text)
        case NameContains(text):
            return Q(local_part__icontains=text)
        case OfKind(kind):
            return Q() if kind is Kind.LIST else _NO_ROW
        case AllOf(criteria):
            condition = Q()
            for each in criteria:
                condition &= _condition(each)
            return condition
        case AnyOf(criteria):
            return _any_of(criteria)
    return _NO_ROW  # details are those of people


def _any_of(criteria: tuple[Criterion, ...]) -> Q:
    condition = _NO_ROW
    for each in criteria:
        one = _condition(each)
        if not one:  # an empty condition is true of all, yet Q() | x is x
            return one
        condition = one if condition is _NO_ROW else condition | one
    return condition


def _names_before(text: str) -> list[str]:
    """What stands before each hyphen: the names of lists to which the text may belong."""
    return [text[:place] for place, letter in enumerate(text) if letter == "-" and place]
