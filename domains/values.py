"""Checks values against the fields of a row: types and ranges, the same on every database."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from domains.errors import Problem, ValuesRefused

# PostgreSQL's integer and smallint; SQLite would take more and refuse to move later.
MAXIMA = {"PositiveSmallIntegerField": 2**15 - 1, "PositiveIntegerField": 2**31 - 1}


def replace(
    row: models.Model, values: Mapping[str, Any], *, fields: Iterable[str]
) -> dict[str, tuple[Any, Any]]:
    """Set `values` on `row`; the answer has old and new of each field that really changed.

    `fields` are those that may be set. Raises ValuesRefused with every problem; `row` is then
    as it was.
    """
    allowed = frozenset(fields)
    problems: list[Problem] = []
    cleaned: dict[str, Any] = {}
    for name, value in values.items():
        try:
            if name not in allowed:
                raise ValidationError("there is no such setting")
            cleaned[name] = check(row._meta.get_field(name), value)
        except ValidationError as error:
            problems.append(Problem(name, " ".join(error.messages)))
    if problems:
        raise ValuesRefused(tuple(problems))
    changes = {
        name: (getattr(row, name), value)
        for name, value in cleaned.items()
        if getattr(row, name) != value
    }
    for name, (_, new) in changes.items():
        setattr(row, name, new)
    return changes


def check(field: Any, value: Any) -> Any:
    """The value as the field keeps it. Raises ValidationError.

    Stricter than Django's `to_python`: a text is no number and a number no switch.
    """
    if isinstance(field, models.BooleanField):
        return _expect(value, bool, "must be true or false")
    if isinstance(field, models.IntegerField):
        return _check_number(field, value)
    if isinstance(field, models.GenericIPAddressField):
        return _check_address(field, value)
    if isinstance(field, models.CharField):
        return _check_text(field, value)
    if isinstance(field, models.JSONField):
        return _expect(value, list, "must be a list")
    raise ValidationError("there is no such setting")


def settable_fields(model: type[models.Model]) -> tuple[str, ...]:
    """The names of what can be set on a row of `model`: neither keys nor what services keep."""
    return tuple(
        field.name
        for field in model._meta.concrete_fields
        if field.editable and not field.primary_key and not field.is_relation
    )


def _expect(value: Any, kind: type, reason: str) -> Any:
    if type(value) is not kind:
        raise ValidationError(reason)
    return value


def _check_number(field: models.IntegerField[Any, Any], value: Any) -> int:
    number: int = _expect(value, int, "must be a whole number")
    if number < 0:
        raise ValidationError("must not be negative")
    maximum = MAXIMA.get(field.get_internal_type(), 2**63 - 1)
    if number > maximum:
        raise ValidationError(f"must not be above {maximum}")
    field.run_validators(number)
    return number


def _check_address(field: models.GenericIPAddressField[Any, Any], value: Any) -> str | None:
    if value is None or value == "":
        return None
    try:
        address = ipaddress.ip_address(_expect(value, str, "must be an IP address"))
    except ValueError as error:
        raise ValidationError("must be an IP address") from error
    wanted = {"ipv4": 4, "ipv6": 6}.get(field.protocol.lower(), address.version)
    if address.version != wanted or getattr(address, "scope_id", None):
        raise ValidationError(f"must be an IPv{wanted} address without a zone")
    return str(address)


def _check_text(field: models.CharField[Any, Any], value: Any) -> str:
    if not isinstance(value, str):
        raise ValidationError("must be a text")
    text = str(value)  # a member of an enumeration becomes its value
    if field.choices:
        names = [str(choice) for choice, _ in field.flatchoices]
        if text not in names:
            raise ValidationError(f"must be one of {', '.join(names)}")
        return text
    # Settings end up in headers and replies; no value may bring its own line end along.
    if any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in text):
        raise ValidationError("must not have control characters")
    if not text and not field.blank:
        raise ValidationError("must not be empty")
    if field.max_length is not None and len(text) > field.max_length:
        raise ValidationError(f"must not be longer than {field.max_length} characters")
    field.run_validators(text)
    return text
