"""What a plan is made of: single changes in words, each with the call of a service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import models

from accounts import passwords
from accounts.models import User
from accounts.passwords import Verifiers
from accounts.services import new_verifiers
from mailhost.provisioning.entries import PersonEntry, UserEntry
from mailhost.provisioning.nodes import Place


class Mark(StrEnum):
    ADD = "+"
    CHANGE = "~"
    REMOVE = "-"
    WARN = "!"  # changes nothing itself: advice about a value that was taken


@dataclass(frozen=True, slots=True)
class Step:
    """`run` None: told with another step, which does it, too."""

    mark: Mark
    text: str
    place: Place | None  # None: what goes stands nowhere in the file
    run: Callable[[], object] | None = None

    def __str__(self) -> str:
        return f"{self.mark} {self.text}"


@dataclass(frozen=True, slots=True)
class Choices:
    """How a file is applied.

    `prune` removes what a named domain has and the file does not; `over_limits` opens domains
    with more than their own limits allow, as a snapshot may have them (D-092). A dry run makes
    nothing that later parts of the file could refer to: `promised_...` are the names of it.
    """

    is_dry_run: bool = False
    allow_weak: bool = False
    prune: bool = False
    over_limits: bool = False
    promised_domains: frozenset[str] = frozenset()
    promised_resellers: frozenset[str] = frozenset()

    def verifiers(self, entry: UserEntry | PersonEntry) -> Verifiers | None:
        """What to keep of a new password; None if the entry has none. Raises PasswordRefused."""
        if entry.verifiers is not None or entry.password is None:
            return entry.verifiers
        if self.is_dry_run:
            passwords.require_usable(entry.password)
            if not self.allow_weak:
                names = {"user name": entry.username}
                passwords.require_strong(entry.password, names=names)
            return passwords.no_password()
        return new_verifiers(entry.password, entry.username, allow_weak=self.allow_weak)


def has_credentials(user: User, entry: UserEntry | PersonEntry) -> bool:
    """Whether the user logs in already with what the entry says; an entry may say nothing."""
    if entry.password is not None:
        return passwords.fits(user, entry.password)
    wanted = entry.verifiers
    if wanted is None:
        return True
    if wanted.password != user.password:
        return False
    if wanted.scram is not None and wanted.scram != passwords.scram_keys(user):
        return False
    if not wanted.cram_md5_state:
        return True
    sealed = bytes(user.cram_md5_state)
    return bool(sealed) and passwords.open_cram_md5(sealed) == wanted.cram_md5_state


def differing(row: models.Model, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the row does not have yet."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


def in_words(row: models.Model, values: Mapping[str, Any]) -> str:
    """`users 100 -> 1200, smtp_port 25 -> 2525`."""
    return ", ".join(
        f"{name} {_word(getattr(row, name))} -> {_word(value)}" for name, value in values.items()
    )


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value in (None, "") else str(value)
