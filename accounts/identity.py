"""Which addresses a user may send as (N-023, U-031).

What lists let their moderators do, a room above this one knows: it registers a function here.
"""

from __future__ import annotations

from collections.abc import Callable

from accounts import directory
from accounts.directory import AccountPolicy, Entry, Kind
from domains import directory as domain_directory
from protocols.address import Address, fold, split_detail

# Of a list, by its key: the accounts that may write in its name. The last argument is cached_only.
ListSenders = Callable[[int, bool], frozenset[int]]
_list_senders: list[ListSenders] = []


def lists_are_written_for_by(function: ListSenders) -> ListSenders:
    """Register a function, from the `ready` of a room's app."""
    _list_senders.append(function)
    return function


def may_send_as(account: AccountPolicy, address: Address, *, cached_only: bool = False) -> bool:
    """Whether it is the user's own address, in any form, an alias that lets him, or a list that he
    moderates.

    Raises Cold if `cached_only` and something about the address is not in memory.
    """
    domain = domain_directory.by_name(address.domain, cached_only=cached_only)
    if domain is None:
        return False
    local_part = fold(address.local_part)
    entry = directory.lookup(domain.domain_id, local_part, cached_only=cached_only)
    if entry is not None:
        return _belongs_to(entry, account, cached_only)
    base, detail = split_detail(local_part)
    if detail is None or not account.plus_addressing:
        return False
    entry = directory.lookup(domain.domain_id, base, cached_only=cached_only)
    return entry is not None and _belongs_to(entry, account, cached_only)


def _belongs_to(entry: Entry, account: AccountPolicy, cached_only: bool) -> bool:
    if entry.kind == Kind.LIST:
        senders = (function(entry.object_id, cached_only) for function in _list_senders)
        return any(account.account_id in found for found in senders)
    if entry.kind == Kind.USER:
        return entry.object_id == account.account_id
    if entry.kind == Kind.ALIAS:
        return entry.may_send_as and any(
            target.account_id == account.account_id for target in entry.targets
        )
    return False
