"""The plan for one domain while it grows: what is wanted, what is there, and the steps so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from accounts.models import User, UserAlias
from domains.errors import Refused
from domains.models import Domain
from events.audit import Actor
from mailhost.provisioning.entries import DomainEntry
from mailhost.provisioning.nodes import Place
from mailhost.provisioning.steps import Choices, Mark, Step


class Impossible(Refused):
    """The file wants something that no service could do."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(reason)
        self.place = place


@dataclass(slots=True)
class DomainPlan:
    """`found` None: the domain is opened by the first step. Users and aliases by local part."""

    entry: DomainEntry
    choices: Choices
    by: Actor | None
    found: Domain | None = None
    users: dict[str, User] = field(default_factory=dict)
    aliases: dict[str, UserAlias] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    opened: Domain | None = None

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def is_new(self) -> bool:
        return self.found is None

    @property
    def domain(self) -> Domain:
        """For steps as they run: the domain that was there, or the one they opened."""
        domain = self.found or self.opened
        assert domain is not None, "the first step opens the domain"
        return domain

    def add(
        self, mark: Mark, text: str, place: Place, run: Callable[[], object] | None = None
    ) -> None:
        self.steps.append(Step(mark, text, place, run))
