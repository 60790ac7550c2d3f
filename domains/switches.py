"""Whether a feature is on for a domain: by its own switch, unless it is withheld (D-060, X-011).

The one answer for doors, listeners and jobs. Who withholds stands above this room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.db.models import QuerySet
from django.db.models.expressions import Combinable

from domains.models import DomainFeatures
from domains.values import settable_fields

# For a row of DomainFeatures: a list of features that its domain has not, or NULL. All are part
# of the one question, as pages ask it several times.
Withholding = Callable[[], Combinable]

_withholding: dict[str, Withholding] = {}


def withholds(name: str, expression: Withholding) -> None:
    """Register an expression, from the `ready` of a room's app."""
    _withholding[f"withheld_by_{name}"] = expression


def withheld(domain_id: int) -> frozenset[str]:
    """Off as long as they are withheld; switches and data stay as they are."""
    return _withheld_from(_rows().get(domain=domain_id))


def is_on(domain_id: int, feature: str) -> bool:
    return in_force(domain_id)[feature]


def off_among(domain_ids: Iterable[int], features: Iterable[str]) -> dict[int, frozenset[str]]:
    """Of several domains at once: which of these features are off; left out: none."""
    asked = frozenset(features)
    found = {}
    for row in _rows().filter(domain__in=list(domain_ids)):
        off = frozenset(name for name in asked if not getattr(row, name))
        if off := off | (_withheld_from(row) & asked):
            found[row.domain_id] = off
    return found


def in_force(domain_id: int) -> dict[str, bool]:
    """Every feature, and whether it is on."""
    row = _rows().get(domain=domain_id)
    missing = _withheld_from(row)
    return {
        name: getattr(row, name) and name not in missing for name in settable_fields(DomainFeatures)
    }


def _rows() -> QuerySet[DomainFeatures]:
    return DomainFeatures.objects.annotate(**{name: of() for name, of in _withholding.items()})


def _withheld_from(row: DomainFeatures) -> frozenset[str]:
    return frozenset(name for source in _withholding for name in getattr(row, source) or ())
