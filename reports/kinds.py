"""Every report there is: what it is about, and the table of the functions that make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from accounts.inactivity import Period
from accounts.models import User
from domains.models import Domain
from reports.errors import ReportUnknown
from reports.models import Kind
from reports.series import Days
from reports.tables import Report


class Scope(StrEnum):
    """What a report is about."""

    SYSTEM = "system"
    DOMAIN = "domain"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is to be about, once it is known that it may be seen."""

    days: Days
    now: datetime
    domain: Domain | None = None
    account: User | None = None
    inactive: Period = Period.DAYS_90

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def of_domain(self) -> Domain:
        assert self.domain is not None, "reports of domains have one"
        return self.domain

    @property
    def of_account(self) -> User:
        assert self.account is not None, "reports of users have one"
        return self.account


Builder = Callable[[Wanted], Report]

BUILDERS: dict[Kind, Builder] = {}
# What the pages call them, where the scope is plain from the page.
TITLES: dict[Kind, str] = {}


def report(kind: Kind, title: str) -> Callable[[Builder], Builder]:
    """`@report(Kind.DOMAIN_TRAFFIC, "Traffic")` above the function that makes it."""

    def register(builder: Builder) -> Builder:
        BUILDERS[kind] = builder
        TITLES[kind] = title
        return builder

    return register


def kind_of(text: str) -> Kind:
    """Raises ReportUnknown."""
    try:
        return Kind(text)
    except ValueError:
        raise ReportUnknown(text) from None


def scope_of(kind: Kind) -> Scope:
    return Scope(kind.value.partition("-")[0])


def of_scope(scope: Scope) -> list[Kind]:
    return [kind for kind in Kind if scope_of(kind) is scope]
