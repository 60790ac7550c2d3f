"""Room left under a ceiling: the one place where limits are compared (D-080, D-081). Pure."""

from __future__ import annotations

from domains.errors import LimitReached


def effective(*ceilings: int | None) -> int | None:
    """The smallest ceiling that there is; 0 and None mean none, and so does the answer None."""
    return min((ceiling for ceiling in ceilings if ceiling), default=None)


def require_room(limit: str, *ceilings: int | None, used: int, adding: int = 1) -> None:
    """Raises LimitReached if `adding` more would go beyond the effective ceiling.

    `used` may stand above the ceiling already, as limits can be lowered (D-092): then only
    growth is refused. The caller holds a lock under which `used` was counted.
    """
    allowed = effective(*ceilings)
    if allowed is not None and adding > 0 and used + adding > allowed:
        raise LimitReached(limit=limit, allowed=allowed, used=used)
