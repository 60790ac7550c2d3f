"""How each kind of change is taken back: a table from what was changed and how to a function."""

from administration.rules import (
    aliases,
    barring,
    deletions,
    domains,
    lists,
    mail,
    plans,
    policies,
    routes,
    settings,
    users,
)
from administration.rules.table import Rule, rule_for

__all__ = [
    "Rule",
    "aliases",
    "barring",
    "deletions",
    "domains",
    "lists",
    "mail",
    "plans",
    "policies",
    "routes",
    "rule_for",
    "settings",
    "users",
]
