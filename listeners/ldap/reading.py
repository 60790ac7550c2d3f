"""The next addresses of one kind, whichever room keeps them. Called in threads."""

from __future__ import annotations

from accounts import addressbook
from accounts.addressbook import Criterion, Kind, Listed, View
from mailinglists import addressbook as lists


def read(view: View, criterion: Criterion, kind: Kind, *, after: str, rows: int) -> list[Listed]:
    """In the order of their local parts, behind `after` ("": from the first).

    Fewer than `rows`: there are no more.
    """
    if kind is Kind.LIST:
        return lists.read(view, criterion, after=after, rows=rows)
    return addressbook.read(view, criterion, kind, after=after, rows=rows)
