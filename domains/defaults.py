"""The values that new domains begin with: the operator's template over the factory's (D-027)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from domains import checking, ports
from domains.checking import OPTIONS
from domains.errors import ChangedMeanwhile, PortClaimed, Problem, ValuesRefused
from domains.models import TABS, Domain, DomainDefaults, DomainTechnical
from domains.values import check, replace, settable_fields
from events import audit
from events.audit import Actor

KEY = 1
# The options stand beside the tabs, under a name of their own.
PARTS: dict[str, type[models.Model]] = {"options": Domain, **TABS}

Values = Mapping[str, Mapping[str, Any]]


def fields(part: str) -> tuple[str, ...]:
    """The names of what a part can preset."""
    return OPTIONS if part == "options" else settable_fields(PARTS[part])


def factory() -> dict[str, dict[str, Any]]:
    """The values that the specification gives, by part and field."""
    return {part: _values(part, model()) for part, model in PARTS.items()}


def current() -> dict[str, dict[str, Any]]:
    """What a domain opened now begins with, by part and field."""
    return _over_factory(load().values)


def load() -> DomainDefaults:
    """The row, or one as it would be made."""
    return DomainDefaults.objects.filter(pk=KEY).first() or DomainDefaults(pk=KEY)


@transaction.atomic
def change(
    *, values: Values, by: Actor | None, expected_version: int | None = None
) -> DomainDefaults:
    """Set the given values; the others stay. No domain changes by it.

    Raises ValuesRefused, whose fields are `part.field`, and ChangedMeanwhile.
    """
    DomainDefaults.objects.get_or_create(pk=KEY)
    row = DomainDefaults.objects.select_for_update().get(pk=KEY)
    if expected_version is not None and expected_version != row.version:
        raise ChangedMeanwhile(expected_version, row.version)
    present = _over_factory(row.values)
    changes: dict[str, tuple[Any, Any]] = {}
    problems: list[Problem] = []
    for part, given in values.items():
        try:
            changes |= _change_part(present, part, given)
        except ValuesRefused as error:
            problems += [Problem(f"{part}.{one.field}", one.reason) for one in error.problems]
    if problems:
        raise ValuesRefused(tuple(problems))
    if changes:
        row.values = _deviations(present)
        row.version += 1
        row.save(update_fields=["values", "version"])
        audit.record(by, "changed domain defaults", row, changes)
    return row


def _change_part(
    present: dict[str, dict[str, Any]], part: str, given: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Set values of one part in `present`. Raises ValuesRefused."""
    if part not in PARTS:
        raise ValuesRefused((Problem(next(iter(given), ""), "there is no such part"),))
    row = PARTS[part](**present[part])
    if isinstance(row, Domain):
        changes = checking.set_options(row, given)
    else:
        changes = replace(row, given, fields=fields(part))
    if changes and isinstance(row, DomainTechnical):
        checking.require_sources(row)
        try:
            ports.require_apart(row)
        except PortClaimed as error:
            reason = f"port {error.port} is taken by {error.claimed_by}"
            raise ValuesRefused((Problem(error.field, reason),)) from None
    present[part] = _values(part, row)
    return {f"{part}.{name}": pair for name, pair in changes.items()}


def _over_factory(kept: Any) -> dict[str, dict[str, Any]]:
    """What a later release does not know, or takes no more, is as if it had not been set."""
    found = factory()
    for part, name, value in _entries(kept):
        if part in found and name in found[part]:
            try:
                found[part][name] = check(PARTS[part]._meta.get_field(name), value)
            except ValidationError:
                continue
    return found


def _entries(kept: Any) -> Iterator[tuple[str, str, Any]]:
    for part, values in dict(kept).items():
        for name, value in dict(values).items():
            yield part, name, value


def _deviations(present: Values) -> dict[str, dict[str, Any]]:
    found = {
        part: {name: audit.plain(values[name]) for name in values if values[name] != usual[name]}
        for (part, usual), values in zip(factory().items(), present.values(), strict=True)
    }
    return {part: values for part, values in found.items() if values}


def _values(part: str, row: models.Model) -> dict[str, Any]:
    return {name: getattr(row, name) for name in fields(part)}
