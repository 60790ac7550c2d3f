"""What the first start makes, and what is left of it when it is broken off."""

from __future__ import annotations

import pytest

from accounts.models import User
from mailhost import firststart


@pytest.mark.spec("X-030")
@pytest.mark.django_db(transaction=True)
def test_no_administrator_is_kept_whose_password_was_not_told() -> None:
    """Killed at that moment the next start makes one, and tells his password."""

    def break_off(login: str, password: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        firststart.first_administrator(break_off)
    assert not User.objects.exists()

    told: list[tuple[str, str]] = []
    for _ in range(2):
        firststart.first_administrator(lambda *words: told.append(words))
    [(login, password)] = told
    assert (User.objects.get().local_part, len(password)) == (login, 16)
