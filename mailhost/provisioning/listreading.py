"""The mailing lists of a domain in a file: reads them, and notes what is wrong."""

from __future__ import annotations

from typing import Any

import yaml

from domains.errors import Problem, Refused
from mailhost.provisioning.entries import MailingListEntry, SubscriberEntry
from mailhost.provisioning.entryreading import EntryReader
from mailhost.provisioning.nodes import place_of
from mailinglists import texts
from mailinglists.models import MailingList, Mode
from mailinglists.services import FIELDS, PLAIN_FIELDS, read_pattern
from protocols.address import Address, MalformedAddress

RULES = {"may_always_post": "allow", "may_never_post": "ban"}


class ListReader(EntryReader):
    def mailing_list(self, node: yaml.Node) -> MailingListEntry | None:
        keys = ("name", "moderators", *RULES, "post_password", "subscribers", *FIELDS)
        found = self.nodes.mapping(node, keys, needed=["name"])
        name = self.local_part(found.get("name"))
        if name is None:
            return None
        return MailingListEntry(
            place=place_of(node),
            name=name,
            values=self._values(found),
            moderators=self._names(found.get("moderators")),
            poster_rules=self._rules(found),
            post_password=self.optional_text(found.get("post_password")),
            subscribers=self.optional_entries(found.get("subscribers"), self.subscriber, "address"),
        )

    def subscriber(self, node: yaml.Node) -> SubscriberEntry | None:
        """An address alone, or a mapping."""
        if not isinstance(node, yaml.MappingNode):
            address = self._address(node)
            return address and SubscriberEntry(place=place_of(node), address=address)  # type: ignore[return-value]
        keys = ("address", "name", "mode", "suspended")
        found = self.nodes.mapping(node, keys, needed=["address"])
        address = self._address(found["address"]) if "address" in found else None
        mode = self.optional_text(found.get("mode"))
        if mode is not None and mode not in Mode.values:
            self.nodes.refuse(found["mode"], f"must be one of {', '.join(Mode.values)}")
        if not address:
            return None
        return SubscriberEntry(
            place=place_of(node),
            address=address,
            name=self.optional_text(found.get("name")),
            mode=mode,
            is_suspended=self.nodes.switch(found["suspended"]) if "suspended" in found else None,
        )

    def _values(self, found: dict[str, yaml.Node]) -> dict[str, Any]:
        values = self.nodes.fields(found, MailingList, PLAIN_FIELDS)
        for name in texts.FIELDS:
            if name in found:
                text = texts.read(name, self.nodes.text(found[name]))
                if isinstance(text, Problem):
                    self.nodes.refuse(found[name], text.reason)
                else:
                    values[name] = text
        return values

    def _address(self, node: yaml.Node) -> str | None:
        return self.parsed(node, _read_address)

    def _names(self, node: yaml.Node | None) -> tuple[str, ...] | None:
        return None if node is None else tuple(self.nodes.texts(node))

    def _rules(self, found: dict[str, yaml.Node]) -> tuple[tuple[str, str], ...] | None:
        """None: neither kind is spoken of. What stands in both is banned."""
        if RULES.keys().isdisjoint(found):
            return None
        rules: dict[str, str] = {}
        for key, kind in RULES.items():
            for text in self.nodes.texts(found[key]) if key in found else ():
                pattern = self._pattern(found[key], text)
                if pattern is not None:
                    rules[pattern] = kind
        return tuple(sorted(rules.items()))

    def _pattern(self, node: yaml.Node, text: str) -> str | None:
        try:
            return read_pattern(text)
        except Refused as error:
            self.nodes.refuse(node, str(error))
            return None


def _read_address(text: str) -> str:
    try:
        return Address.parse(text).encode()
    except MalformedAddress:
        raise ValueError(f"{text!r} is no address") from None
