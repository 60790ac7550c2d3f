"""YAML with the place of every value, so that each error can name its line and column."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml
from django.core.exceptions import ValidationError
from django.db import models

from domains.values import check

T = TypeVar("T")

# The parser of the C library reads ten times as fast; both build the same nodes.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset({"yes", "true", "on"})  # YAML 1.1, any case


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in the file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    place: Place
    reason: str


class Unreadable(Exception):
    """The file was refused as a whole; nothing of it was applied."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = sorted(problems)


def compose(text: str) -> yaml.Node | None:
    """The root node; None for an empty file. Raises Unreadable."""
    try:
        return yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        raise Unreadable([Problem(place, error.problem or "this is not YAML")]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable([Problem(Place(1, 1), f"this is not YAML: {error}")]) from None


def place_of(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def is_null(node: yaml.Node) -> bool:
    """`~`, `null` or nothing: leave as it is."""
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}null"


class Nodes:
    """Takes values out of nodes by the type that is wanted, and gathers every problem.

    What cannot be read counts as absent, so that one run finds all mistakes of a file.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def refuse(self, node: yaml.Node, reason: str) -> None:
        self.problems.append(Problem(place_of(node), reason))

    def mapping(
        self, node: yaml.Node, keys: Collection[str], *, needed: Collection[str] = ()
    ) -> dict[str, yaml.Node]:
        """The values that are not null, by key; unknown keys and doubles are refused."""
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, "must be a mapping (key: value)")
            return {}
        found: dict[str, yaml.Node] = {}
        seen: set[str] = set()
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            if key not in keys:
                self.refuse(key_node, f"unknown key {key!r}{_similar(key, keys)}")
            elif key in seen:
                self.refuse(key_node, f"the key {key!r} comes twice")
            elif not is_null(value):
                found[key] = value
            seen.add(key)
        for key in needed:
            if key not in found:
                self.refuse(node, f"the key {key!r} is missing")
        return found

    def items(self, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            self.refuse(node, "must be a list")
            return []
        return list(node.value)

    def text(self, node: yaml.Node) -> str | None:
        """A text as it stands in the file: where text is meant, `1234` or `no` need no quotes."""
        if not isinstance(node, yaml.ScalarNode) or is_null(node):
            self.refuse(node, "must be a text")
            return None
        return str(node.value)

    def texts(self, node: yaml.Node) -> list[str]:
        """A list of texts; one alone may stand without the brackets."""
        nodes = [node] if isinstance(node, yaml.ScalarNode) else self.items(node)
        return [text for item in nodes if (text := self.text(item)) is not None]

    def switch(self, node: yaml.Node) -> bool | None:
        if not isinstance(node, yaml.ScalarNode) or node.tag != f"{_TAG}bool":
            self.refuse(node, "must be true or false")
            return None
        return node.value.lower() in _TRUE

    def number(self, node: yaml.Node) -> int | None:
        # YAML 1.1 also knows 0x10, 010 and 12:30 as numbers; nobody means them here.
        text = node.value.replace("_", "") if isinstance(node, yaml.ScalarNode) else ""
        sign, digits = text[:1] in ("-", "+"), text.lstrip("+-")
        is_decimal = digits.isascii() and digits.isdigit() and len(digits) <= 18
        if not is_decimal or (digits[0] == "0" and len(digits) > 1):
            self.refuse(node, "must be a whole number")
            return None
        return -int(digits) if sign and text[0] == "-" else int(digits)

    def field(self, node: yaml.Node, field: Any) -> Any:
        """A value for a field of a model, within its range; None if it was refused."""
        value: Any
        if isinstance(field, models.BooleanField):
            value = self.switch(node)
        elif isinstance(field, models.IntegerField):
            value = self.number(node)
        elif isinstance(field, models.JSONField):
            value = self._list(node)
        else:
            value = self.text(node)
        if value is None:
            return None
        try:
            return check(field, value)
        except ValidationError as error:
            self.refuse(node, " ".join(error.messages))
            return None

    def fields(
        self, found: dict[str, yaml.Node], model: type[models.Model], names: Collection[str]
    ) -> dict[str, Any]:
        """Values for those fields of a model that the mapping has."""
        values = {
            name: self.field(found[name], model._meta.get_field(name))
            for name in names
            if name in found
        }
        return {name: value for name, value in values.items() if value is not None}

    def _list(self, node: yaml.Node) -> list[Any]:
        values = []
        for item in self.items(node):
            is_number = isinstance(item, yaml.ScalarNode) and item.tag == f"{_TAG}int"
            value = self.number(item) if is_number else self.text(item)
            if value is not None:
                values.append(value)
        return values


def _similar(key: str, keys: Collection[str]) -> str:
    close = difflib.get_close_matches(key, list(keys), n=1)
    return f", perhaps {close[0]!r}?" if close else ""
