"""Filters as criteria that the address book asks the database: never fewer entries than match.

What is found is matched exactly afterwards, so a term that the database cannot answer like the
filter does, such as a negated one, may narrow nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from accounts.addressbook import (
    EVERYTHING,
    NOTHING,
    AddressBegins,
    AddressContains,
    AddressIs,
    AllOf,
    AnyOf,
    Criterion,
    DetailContains,
    Kind,
    NameContains,
    OfKind,
)
from accounts.models.alias import CATCH_ALL
from listeners.ldap.entries import CLASSES, DETAILS, Directory
from protocols.address import fold
from protocols.ldap.filters import (
    NUMBERS,
    And,
    Equals,
    Filter,
    Not,
    Or,
    Present,
    Substrings,
    Undefined,
)

# Values that the name or the address of an entry contains as it is.
_OF_NAMES = frozenset({"cn", "sn", "givenName", "displayName", "uid"})
_COLUMNS = {attribute: column for column, attribute in DETAILS.items()}
_WORD = re.compile(r"[!-~]+")


def narrow(wanted: Filter, directory: Directory) -> Criterion:
    match wanted:
        case And(terms):
            return AllOf(tuple(narrow(term, directory) for term in terms))
        case Or(terms):
            return AnyOf(tuple(narrow(term, directory) for term in terms))
        case Equals("objectClass", value):
            return AnyOf(
                tuple(OfKind(kind) for kind, names in CLASSES.items() if value in _lower(names))
            )
        case Equals("mail", value):
            return _address(value, directory)
        case Equals("uid", value):
            return AllOf((OfKind(Kind.USER), AddressIs(fold(value))))
        case Equals(attribute, value) if attribute in _OF_NAMES:
            return _containing((value,))
        case Substrings("mail", initial, middle, final):
            return _parts_of_address(initial, (*middle, final), directory)
        case Substrings(attribute, initial, middle, final) if attribute in _OF_NAMES:
            return _containing((initial, *middle, final))
        case Equals(attribute, value) if attribute in _COLUMNS:
            return _of_detail(attribute, (value,))
        case Substrings(attribute, initial, middle, final) if attribute in _COLUMNS:
            return _of_detail(attribute, (initial, *middle, final))
        case Equals("description") | Substrings("description"):
            return OfKind(Kind.LIST)  # which are few
        case Equals() | Substrings() | Undefined():
            return NOTHING  # no row has a value of such an attribute
        case Present() | Not():
            return EVERYTHING


def _lower(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}


def _address(value: str, directory: Directory) -> Criterion:
    local_part, at, domain = value.rpartition("@")
    if not at or domain not in directory.domain_names:
        return NOTHING
    if local_part in directory.role_names:
        return AddressIs(directory.role_holder)
    return AddressIs(fold(local_part) if local_part else CATCH_ALL)


def _parts_of_address(initial: str, others: tuple[str, ...], directory: Directory) -> Criterion:
    criteria: list[Criterion] = []
    if initial:
        local_part, at, _ = initial.partition("@")
        if not local_part:
            criteria.append(AddressIs(CATCH_ALL))
        else:
            criteria.append(AddressIs(local_part) if at else AddressBegins(local_part))
    for piece in others:
        local_part, at, _ = piece.partition("@")
        may_be_of_domain = not at and any(piece in name for name in directory.domain_names)
        if not may_be_of_domain and (word := _longest_word(local_part)):
            criteria.append(AddressContains(word))
    found = AllOf(tuple(criteria))
    return AnyOf((found, AddressIs(directory.role_holder))) if directory.role_names else found


def _containing(pieces: Iterable[str]) -> Criterion:
    words = (_longest_word(piece) for piece in pieces)
    return AllOf(tuple(NameContains(word) for word in words if word))


def _of_detail(attribute: str, pieces: Iterable[str]) -> Criterion:
    """Numbers may be stored with spaces anywhere, which the database would not pass over."""
    words = [] if attribute in NUMBERS else [_longest_word(piece) for piece in pieces]
    column = _COLUMNS[attribute]
    return AllOf((OfKind(Kind.USER), *(DetailContains(column, word) for word in words if word)))


def _longest_word(piece: str) -> str:
    """Of ASCII and without spaces: whatever is stored contains just that, save for case."""
    return max(_WORD.findall(piece), key=len, default="")
