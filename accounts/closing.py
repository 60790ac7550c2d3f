"""What must be given up with an account or a domain: rooms above this one say how.

Mail lies on floors that accounts cannot know, yet must go in the same transaction: those rooms
register a function here when they are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# Called within the transaction that deletes the accounts, with their keys.
AccountsGoing = Callable[[Sequence[int]], None]
# Called within the transaction that deletes the domain, with its key, before its accounts go.
DomainGoing = Callable[[int], None]

_accounts_going: list[AccountsGoing] = []
_domain_going: list[DomainGoing] = []


def before_accounts_go(function: AccountsGoing) -> AccountsGoing:
    """Register a function, from the `ready` of a room's app."""
    _accounts_going.append(function)
    return function


def before_domain_goes(function: DomainGoing) -> DomainGoing:
    """Register a function, from the `ready` of a room's app."""
    _domain_going.append(function)
    return function


def give_up(account_ids: Sequence[int]) -> None:
    for function in _accounts_going:
        function(account_ids)


def give_up_domain(domain_id: int) -> None:
    for function in _domain_going:
        function(domain_id)
