"""What all kinds of entries are read with: names, texts, lists of entries without doubles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import yaml

from domains.errors import Refused
from domains.localparts import read_local_part
from domains.names import read_name
from domains.values import settable_fields
from mailhost.provisioning.nodes import Nodes

T = TypeVar("T")


class EntryReader:
    """One method for each kind of entry; None means that the entry was refused."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes

    def entries(
        self, node: yaml.Node, read_one: Callable[[yaml.Node], T | None], key: str
    ) -> list[T]:
        """A list of entries; `key` is the attribute that must not come twice."""
        entries: list[T] = []
        seen: set[str] = set()
        for item in self.nodes.items(node):
            entry = read_one(item)
            if entry is None:
                continue
            name = getattr(entry, key)
            if name in seen:
                self.nodes.refuse(item, f"{name} comes twice")
            seen.add(name)
            entries.append(entry)
        return entries

    def optional_entries(
        self, node: yaml.Node | None, read_one: Callable[[yaml.Node], T | None], key: str = "name"
    ) -> list[T] | None:
        return None if node is None else self.entries(node, read_one, key)

    def values(self, node: yaml.Node, model: Any) -> dict[str, Any]:
        """A mapping whose keys are the fields of one model."""
        names = settable_fields(model)
        return self.nodes.fields(self.nodes.mapping(node, names), model, names)

    def optional_text(self, node: yaml.Node | None) -> str | None:
        return None if node is None else self.nodes.text(node)

    def domain_name(self, node: yaml.Node | None) -> str | None:
        return None if node is None else self.parsed(node, lambda text: read_name(text).name)

    def local_part(self, node: yaml.Node | None) -> str | None:
        return None if node is None else self.parsed(node, read_local_part)

    def parsed(self, node: yaml.Node, parse: Callable[[str], T]) -> T | None:
        """What `parse` makes of a text; what it raises becomes a problem."""
        text = self.nodes.text(node)
        try:
            return parse(text) if text is not None else None
        except (ValueError, Refused) as error:
            self.nodes.refuse(node, str(error))
            return None
