"""The settings of a domain's tabs as the specification has them: default, range and unit of each.

Nothing here is taken from the models, so that a model which strays from the words is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Values = dict[str, dict[str, Any]]  # by tab, by name


@dataclass(frozen=True)
class Setting:
    """`takes`: values that it must take; `refuses`: some that no door may let in."""

    number: str
    tab: str
    name: str
    default: Any  # None: the specification leaves it open
    takes: tuple[Any, ...]
    refuses: tuple[Any, ...]
    unit: str = ""

    @property
    def is_switch(self) -> bool:
        return isinstance(self.takes[0], bool)


def _switch(number: str, tab: str, name: str, default: bool | None = True) -> Setting:
    return Setting(number, tab, name, default, (True, False), ("maybe",))


def _number(
    number: str, tab: str, name: str, default: int, lowest: int, highest: int | None, unit: str = ""
) -> Setting:
    """`highest` None: the specification has none."""
    takes = lowest, default + 1 if highest is None else highest
    refuses = (lowest - 1,) if highest is None else (lowest - 1, highest + 1)
    return Setting(number, tab, name, default, takes, refuses, unit)


def _port(number: str, name: str, default: int) -> Setting:
    return _number(number, "technical", name, default, 1, 65535)


def _level(number: str, name: str) -> Setting:
    """None, high, medium and above, low and above; at first medium and above."""
    levels = ("none", "high", "medium", "low")
    return Setting(number, "technical", name, "medium", levels, ("sometimes",))


def _limit(number: str, name: str, default: int, unit: str = "") -> Setting:
    """D-080: 0 means no limit, negative values are refused."""
    return _number(number, "limits", name, default, 0, None, unit)


def _priority(number: str, switch: str, name: str) -> tuple[Setting, Setting]:
    """P-001: 1 to 10, 5 at first; all switches are off at first."""
    return (
        _number(number, "priority", name, 5, 1, 10),
        _switch(switch, "priority", f"{name}_enabled", False),
    )


def _throttle(number: str, switch: str, name: str, default: int, unit: str) -> tuple[Setting, ...]:
    return (
        _number(number, "throttling", name, default, 0, None, unit),
        _switch(switch, "throttling", f"{name}_enabled", False),
    )


TECHNICAL = (
    _port("D-043", "smtp_port", 25),
    _port("D-044", "smtp_alternate_port", 587),
    _switch("D-045", "technical", "smtp_alternate_port_enabled"),
    _port("D-046", "pop_port", 110),
    _port("D-047", "imap_port", 143),
    _port("D-048", "ldap_port", 389),
    _level("D-050", "autoresponder_exclusions"),
    _level("D-051", "forwarding_exclusions"),
    _switch("D-052", "technical", "require_smtp_authentication"),
    _switch("D-054", "technical", "bypass_forward_blacklist", False),
    _switch("D-055", "technical", "autoresponder_once_per_day"),
    _switch("D-056", "technical", "disable_greylisting", False),
    _switch("D-057", "technical", "allow_ldap_opt_out", False),
)
FEATURES = (
    _switch("D-061", "features", "calendar"),
    _switch("D-062", "features", "catch_alls"),
    _switch("D-063", "features", "contacts"),
    _switch("D-064", "features", "content_filtering"),
    _switch("D-065", "features", "domain_aliases"),
    _switch("D-066", "features", "service_access_control"),
    _switch("D-067", "features", "domain_reports"),
    _switch("D-068", "features", "email_reports"),
    _switch("D-069", "features", "mail_signing"),
    _switch("D-070", "features", "mailing_lists"),
    _switch("D-071", "features", "notes"),
    _switch("D-072", "features", "pop_retrieval"),
    _switch("D-073", "features", "imap_retrieval"),
    _switch("D-074", "features", "spam_filtering"),
    _switch("D-075", "features", "syncml"),
    _switch("D-076", "features", "tasks"),
    _switch("D-077", "features", "active_directory", False),
    _switch("D-078", "features", "user_reports"),
)
LIMITS = (
    _limit("D-082", "disk_space_mb", 500, "MB"),
    _limit("D-084", "domain_aliases", 2),
    _limit("D-085", "users", 100),
    _limit("D-086", "user_aliases", 1_000),
    _limit("D-087", "mailing_lists", 0),
    _limit("D-088", "pop_retrieval_accounts", 10),
    _limit("D-089", "imap_retrieval_accounts", 10),
    _limit("D-090", "max_message_size_kb", 10_000, "KB"),
    _limit("D-091", "recipients_per_message", 200),
)
SHARING = (
    _switch("D-094", "sharing", "global_address_list", None),
    _switch("D-095", "sharing", "calendars", None),
    _switch("D-096", "sharing", "contacts", None),
    _switch("D-097", "sharing", "folders", None),
    _switch("D-098", "sharing", "notes", None),
    _switch("D-099", "sharing", "tasks", None),
)
PRIORITY = (
    *_priority("P-010", "P-011", "standard"),
    *_priority("P-012", "P-013", "mailing_lists"),
    *_priority("P-014", "P-015", "over_size"),
    _number("P-016", "priority", "over_size_threshold_kb", 5_000, 0, None, "KB"),
    *_priority("P-017", "P-018", "auto_responders"),
    *_priority("P-019", "P-020", "bounces"),
    *_priority("P-021", "P-022", "email_reports"),
    *_priority("P-023", "P-024", "event_emails"),
    *_priority("P-025", "P-026", "attempt_x"),
    _number("P-027", "priority", "attempt_x_threshold", 3, 1, None),
    *_priority("P-028", "P-029", "attempt_y"),
    _number("P-030", "priority", "attempt_y_threshold", 6, 1, None),
)
THROTTLING = (
    *_throttle("T-003", "T-004", "outgoing_messages_per_hour", 5_000, "/ hour"),
    *_throttle("T-005", "T-006", "outgoing_bandwidth_mb_per_hour", 100, "MB / hour"),
    *_throttle("T-007", "T-008", "bounces_received_per_hour", 1_000, "/ hour"),
)
# E-001: all are on at first. Categories and who may own rules stand in E-003…E-008.
CATEGORIES = {
    "Alias": (("E-011", "alias_added"), ("E-012", "alias_deleted")),
    "Collaborate": (
        ("E-013", "calendar_reminder_occurred"),
        ("E-014", "task_reminder_occurred"),
    ),
    "Email": (("E-015", "message_received"), ("E-016", "message_sent")),
    "Mailing list": (
        ("E-017", "mailing_list_added"),
        ("E-018", "mailing_list_deleted"),
        ("E-019", "message_sent_to_mailing_list"),
    ),
    "Throttling": (("E-023", "user_throttled"), ("E-024", "domain_throttled")),
    "User": (
        ("E-025", "user_added"),
        ("E-026", "user_deleted"),
        ("E-030", "user_disk_space_used"),
    ),
}
OWNERS = {
    "Alias": {"system", "domain"},
    "Collaborate": {"system", "user"},
    "Email": {"system", "domain", "user"},
    "Mailing list": {"system", "domain"},
    "Throttling": {"system", "domain"},
    "User": {"system", "domain"},
}
ALSO_OWNED_BY_USERS = {"E-030"}

SETTINGS = (
    *TECHNICAL,
    *FEATURES,
    *LIMITS,
    *SHARING,
    *PRIORITY,
    *THROTTLING,
    *(
        _switch(number, "event_restrictions", name)
        for types in CATEGORIES.values()
        for number, name in types
    ),
)
PORTS = tuple(one.name for one in TECHNICAL if one.name.endswith("_port"))


def defaults() -> Values:
    return _gathered((one, one.default) for one in SETTINGS if one.default is not None)


def rounds() -> Iterator[Values]:
    """Each setting gets each value that it must take; one port at a time is not the standard one.

    D-049: two protocols cannot share a port.
    """
    for number in range(2 * len(PORTS)):
        moved, which = PORTS[number // 2], number % 2
        yield _gathered(
            (one, one.default if one.name in PORTS and one.name != moved else _turn(one, which))
            if one.name in PORTS
            else (one, _turn(one, number))
            for one in SETTINGS
        )


def refused() -> Iterator[Values]:
    """Every value that is refused, at its turn beside those of all other settings."""
    for number in range(max(len(one.refuses) for one in SETTINGS)):
        yield _gathered((one, one.refuses[number % len(one.refuses)]) for one in SETTINGS)


def _turn(one: Setting, number: int) -> Any:
    return one.takes[number % len(one.takes)]


def _gathered(pairs: Any) -> Values:
    values: Values = {}
    for one, value in pairs:
        values.setdefault(one.tab, {})[one.name] = value
    return values
