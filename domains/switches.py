"""Whether a feature is on for a domain: by its own switch, unless it is withheld (D-060, X-011).

The one answer for doors, listeners and jobs. Who withholds stands above this room.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from domains.models import DomainFeatures
from domains.values import settable_fields

# Of a domain's key: the features that it has not, whatever its switches say.
Withholding = Callable[[int], Collection[str]]

_withholding: list[Withholding] = []


def withholds(function: Withholding) -> Withholding:
    """Register a function, from the `ready` of a room's app."""
    _withholding.append(function)
    return function


def withheld(domain_id: int) -> frozenset[str]:
    """Off as long as they are withheld; switches and data stay as they are."""
    return frozenset(name for function in _withholding for name in function(domain_id))


def is_on(domain_id: int, feature: str) -> bool:
    return in_force(DomainFeatures.objects.get(domain=domain_id))[feature]


def in_force(row: DomainFeatures) -> dict[str, bool]:
    """Every feature of the row's domain, and whether it is on."""
    missing = withheld(row.domain_id)
    return {
        name: getattr(row, name) and name not in missing for name in settable_fields(DomainFeatures)
    }
