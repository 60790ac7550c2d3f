"""The types of events: a table that tab, help and rules are made from (E-002…E-008)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    ALIAS = "Alias"
    COLLABORATE = "Collaborate"
    EMAIL = "Email"
    MAILING_LIST = "Mailing list"
    THROTTLING = "Throttling"
    USER = "User"


class Owner(StrEnum):
    """Whose rules may act on a type."""

    SYSTEM = "system"
    DOMAIN = "domain"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Type:
    """`name` is also the switch of a domain by which its people may use the type."""

    number: str
    name: str
    category: Category
    owners: frozenset[Owner]


_ABOVE = frozenset({Owner.SYSTEM, Owner.DOMAIN})
_ALL = frozenset(Owner)
_OWN = frozenset({Owner.SYSTEM, Owner.USER})

TYPES = (
    Type("E-011", "alias_added", Category.ALIAS, _ABOVE),
    Type("E-012", "alias_deleted", Category.ALIAS, _ABOVE),
    Type("E-013", "calendar_reminder_occurred", Category.COLLABORATE, _OWN),
    Type("E-014", "task_reminder_occurred", Category.COLLABORATE, _OWN),
    Type("E-015", "message_received", Category.EMAIL, _ALL),
    Type("E-016", "message_sent", Category.EMAIL, _ALL),
    Type("E-017", "mailing_list_added", Category.MAILING_LIST, _ABOVE),
    Type("E-018", "mailing_list_deleted", Category.MAILING_LIST, _ABOVE),
    Type("E-019", "message_sent_to_mailing_list", Category.MAILING_LIST, _ABOVE),
    Type("E-023", "user_throttled", Category.THROTTLING, _ABOVE),
    Type("E-024", "domain_throttled", Category.THROTTLING, _ABOVE),
    Type("E-025", "user_added", Category.USER, _ABOVE),
    Type("E-026", "user_deleted", Category.USER, _ABOVE),
    Type("E-030", "user_disk_space_used", Category.USER, _ALL),
)


def of_category(category: Category) -> tuple[Type, ...]:
    return tuple(one for one in TYPES if one.category is category)
