"""Setting defaults on domains that exist already: what would change, and the change (D-027)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import editing
from domains import defaults
from domains.errors import Problem, Refused, ValuesRefused
from domains.models import TABS, Domain
from events import audit
from events.audit import Actor

# Part to field to value, as in `domains.defaults`.
Values = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """What would change in one domain. `obstacle`: why it would stay as it is; empty: nothing."""

    domain: Domain
    changes: dict[str, tuple[Any, Any]]
    obstacle: str = ""


def chosen(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The present defaults of the fields named `part.field`, fit for a job's arguments.

    Raises ValuesRefused for a name that is none, and if there is no name at all.
    """
    current = defaults.current()
    values: dict[str, dict[str, Any]] = {}
    problems = []
    for name in names:
        part, _, field = name.partition(".")
        if field in current.get(part, {}):
            values.setdefault(part, {})[field] = audit.plain(current[part][field])
        else:
            problems.append(Problem(name, "there is no such setting"))
    if not values and not problems:
        problems.append(Problem("fields", "choose at least one setting"))
    if problems:
        raise ValuesRefused(tuple(problems))
    return values


def with_other_values(domains: QuerySet[Domain], values: Values) -> QuerySet[Domain]:
    """Those of the domains in which anything would change, with what `differences` looks at."""
    differs = Q()
    for part, fields in values.items():
        prefix = "" if part == "options" else f"{TABS[part]._meta.model_name}__"
        for name, value in fields.items():
            differs |= ~Q(**{f"{prefix}{name}": value})
    rows = [TABS[part]._meta.model_name or "" for part in values if part != "options"]
    return domains.filter(differs).select_related(*rows)


def difference(domain: Domain, values: Values) -> dict[str, tuple[Any, Any]]:
    """Old and new of each field, by `part.field`, that has another value."""
    changes = {}
    for part, fields in values.items():
        row = domain if part == "options" else getattr(domain, TABS[part]._meta.model_name or "")
        for name, value in fields.items():
            if getattr(row, name) != value:
                changes[f"{part}.{name}"] = (getattr(row, name), value)
    return changes


def preview(domains: Iterable[Domain], values: Values, *, by: Actor | None) -> list[Difference]:
    """What `propagate` would do to each. It is tried out and taken back, so ask for few."""
    return [
        Difference(domain, difference(domain, values), _obstacle(domain, values, by))
        for domain in domains
    ]


def propagate(*, domain: Domain, values: Values, by: Actor | None) -> bool:
    """Set the values on the domain, all or none of them; False if it has them already.

    Raises what `accounts.editing.change_domain` does.
    """
    if not difference(domain, values):
        return False
    tabs = {part: fields for part, fields in values.items() if part != "options"}
    editing.change_domain(domain=domain, options=values.get("options"), tabs=tabs, by=by)
    return True


@transaction.atomic
def _obstacle(domain: Domain, values: Values, by: Actor | None) -> str:
    try:
        propagate(domain=domain, values=values, by=by)
    except Refused as error:
        return str(error)
    finally:
        transaction.set_rollback(True)
    return ""
