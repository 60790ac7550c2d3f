"""The one place where limits are compared."""

from __future__ import annotations

import pytest

from domains.errors import LimitReached
from domains.limits import effective, require_room


@pytest.mark.spec("D-080", "D-081")
@pytest.mark.parametrize(
    ("ceilings", "allowed"),
    [((), None), ((0,), None), ((None, 0), None), ((5, 0), 5), ((5, 3), 3), ((0, 7, None), 7)],
)
def test_the_smallest_ceiling_that_there_is_holds(
    ceilings: tuple[int | None, ...], allowed: int | None
) -> None:
    assert effective(*ceilings) == allowed


@pytest.mark.spec("D-092")
def test_only_growth_beyond_the_ceiling_is_refused() -> None:
    require_room("users", 3, used=2)
    require_room("users", 3, used=9, adding=0)
    require_room("users", 0, used=10**6)
    for used, adding in ((3, 1), (2, 2), (9, 1)):
        with pytest.raises(LimitReached):
            require_room("users", 3, used=used, adding=adding)
