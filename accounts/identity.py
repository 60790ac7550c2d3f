"""Which addresses a user may send as (N-023, U-031)."""

from __future__ import annotations

from accounts import directory
from accounts.directory import AccountPolicy, Entry, Kind
from domains import directory as domain_directory
from protocols.address import Address, fold, split_detail


def may_send_as(account: AccountPolicy, address: Address, *, cached_only: bool = False) -> bool:
    """Whether it is the user's own address, in any form, or an alias that lets him.

    Raises Cold if `cached_only` and something about the address is not in memory.
    """
    domain = domain_directory.by_name(address.domain, cached_only=cached_only)
    if domain is None:
        return False
    local_part = fold(address.local_part)
    entry = directory.lookup(domain.domain_id, local_part, cached_only=cached_only)
    if entry is not None:
        return _belongs_to(entry, account)
    base, detail = split_detail(local_part)
    if detail is None or not account.plus_addressing:
        return False
    entry = directory.lookup(domain.domain_id, base, cached_only=cached_only)
    return entry is not None and _belongs_to(entry, account)


def _belongs_to(entry: Entry, account: AccountPolicy) -> bool:
    if entry.kind == Kind.USER:
        return entry.object_id == account.account_id
    if entry.kind == Kind.ALIAS:
        return entry.may_send_as and any(
            target.account_id == account.account_id for target in entry.targets
        )
    return False
