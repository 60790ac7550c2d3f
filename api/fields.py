"""Serializers that take JSON at its word: a text is no number, and an unknown name is a mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from rest_framework import serializers

from domains.values import MAXIMA


class In(serializers.Serializer[Any]):
    """What a request may say; what it does not say stays out of `validated_data`."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in data if name not in self.fields)
            if unknown:
                raise serializers.ValidationError({unknown[0]: ["there is no such field"]})
        return super().to_internal_value(data)


class Out(serializers.Serializer[Any]):
    """What an answer says: for the schema alone, as answers are plain dictionaries."""


class Switch(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            raise serializers.ValidationError("must be true or false")
        return data


class Number(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            raise serializers.ValidationError("must be a whole number")
        return data


class Text(serializers.CharField):
    """As it is: no blanks are taken off."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "max_length": 1000, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("must be a text")
        return super().to_internal_value(data)


class Words(serializers.ListField):
    """A list of texts."""

    def __init__(self, **options: Any) -> None:
        length = options.pop("length", 400)
        super().__init__(**{"child": Text(max_length=length), "max_length": 1000, **options})

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            raise serializers.ValidationError("must be a list")
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """With its zone: a time without one would be a guess."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise serializers.ValidationError("must be a time such as 2030-01-31T12:00:00Z")
        return super().to_internal_value(value)


class Choice(serializers.ChoiceField):
    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            raise serializers.ValidationError("must be a text")
        return super().to_internal_value(data)


def of_model(
    name: str, model: type[models.Model], names: Iterable[str], base: type[Any] = In
) -> type[Any]:
    """A serializer with fields of a model: all optional as input, all there in an answer."""
    is_input = issubclass(base, In)
    fields = {one: field_of(model._meta.get_field(one), required=not is_input) for one in names}
    return type(name, (base,), {"__doc__": (model.__doc__ or "").partition("\n")[0], **fields})


def field_of(field: Any, *, required: bool) -> serializers.Field[Any, Any, Any, Any]:
    """How the API shows and takes a field of a model."""
    options: dict[str, Any] = {"required": required, "help_text": str(field.help_text)}
    standard = field.get_default()
    # Of no meaning for what is taken and shown: the description's examples are made of it.
    options["initial"] = str(standard) if isinstance(standard, str) else standard
    if isinstance(field, models.BooleanField):
        return Switch(**options)
    if isinstance(field, models.IntegerField):
        least, most = _range(field)
        return Number(min_value=least, max_value=most, **options)
    if isinstance(field, models.GenericIPAddressField):
        return Text(allow_null=True, allow_blank=True, max_length=45, **options)
    if isinstance(field, models.JSONField):
        return _list(field, options)
    if field.choices:
        return Choice(choices=list(field.flatchoices), **options)
    return Text(allow_blank=field.blank, max_length=field.max_length, **options)


def _range(field: models.IntegerField[Any, Any]) -> tuple[int, int]:
    least, most = 0, MAXIMA.get(field.get_internal_type(), 2**63 - 1)
    for validator in field.validators:
        if isinstance(validator, MinValueValidator):
            least = max(least, int(validator.limit_value))
        elif isinstance(validator, MaxValueValidator):
            most = min(most, int(validator.limit_value))
    return least, most


def _list(field: models.JSONField[Any, Any], options: dict[str, Any]) -> serializers.ListField:
    standard = field.get_default()
    if standard and type(standard[0]) is int:
        return serializers.ListField(child=Number(), max_length=100, **options)
    return Words(**options)
