"""How people log in, for all domains: read from memory, changed by the operator."""

from __future__ import annotations

from accounts.models import DeletionSettings, LoginSettings
from domains.errors import Problem, ValuesRefused
from domains.singlerow import SingleRow

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


LOGIN = SingleRow(LoginSettings, "login", _check)
DELETION = SingleRow(DeletionSettings, "deletion", _check_deletion)
