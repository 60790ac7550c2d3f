"""What holds for the people of all domains: read from memory, changed by the operator."""

from __future__ import annotations

from collections.abc import Collection

from accounts.models import CapSettings, DeletionSettings, LoginSettings
from domains.errors import Problem, ValuesRefused
from domains.models import DomainFeatures
from domains.singlerow import SingleRow
from domains.values import settable_fields

# What the slow hash and SASL's mechanisms take without becoming a burden.
LONGEST_PASSWORD = 256
LONGEST_DAYS = 3_650  # in the recycle bin


def _check(row: LoginSettings) -> None:
    if not 1 <= row.minimum_password_length <= LONGEST_PASSWORD // 2:
        raise ValuesRefused(
            (Problem("minimum_password_length", f"must be 1 to {LONGEST_PASSWORD // 2}"),)
        )


def _check_deletion(row: DeletionSettings) -> None:
    if row.recycle_days > LONGEST_DAYS:
        raise ValuesRefused((Problem("recycle_days", f"must be 0 to {LONGEST_DAYS}"),))


def require_features_known(names: Collection[str]) -> None:
    """Raises ValuesRefused if one of those that are withheld does not exist."""
    unknown = set(names) - set(settable_fields(DomainFeatures))
    if unknown:
        reason = f"there is no feature {min(map(str, unknown))}"
        raise ValuesRefused((Problem("withheld_features", reason),))


def _check_caps(row: CapSettings) -> None:
    require_features_known(row.withheld_features)


LOGIN = SingleRow(LoginSettings, "login", _check)
DELETION = SingleRow(DeletionSettings, "deletion", _check_deletion)
CAPS = SingleRow(CapSettings, "caps", _check_caps)
