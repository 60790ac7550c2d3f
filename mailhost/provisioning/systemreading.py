"""Entries about the server itself: ways for mail, networks, abuse rules, plans."""

from __future__ import annotations

from collections.abc import Callable

import yaml

from accounts import forwarding
from accounts.models import Plan
from domains.errors import NameMalformed
from domains.values import settable_fields
from mailhost.provisioning.entries import (
    BanEntry,
    GatewayEntry,
    ListedEntry,
    NetworkEntry,
    PlanEntry,
    RelayDomainEntry,
    RuleEntry,
    SettingsEntry,
    SingleDestinationEntry,
    TlsPolicyEntry,
)
from mailhost.provisioning.entryreading import EntryReader
from mailhost.provisioning.nodes import place_of
from mailhost.provisioning.settings import SETTINGS
from operations import rules
from operations.models import AbuseRule, WhitelistEntry
from spool import gateways, relaydomains
from spool.models import Gateway, RelayDomain
from transport.models import Level

PLAN_FIELDS = tuple(name for name in settable_fields(Plan) if name != "name")
GATEWAY_FIELDS = tuple(name for name in gateways.FIELDS if name != "name")


class SystemReader(EntryReader):
    def settings(self, node: yaml.Node) -> list[SettingsEntry]:
        found = self.nodes.mapping(node, SETTINGS)
        entries = []
        for name, value in found.items():
            model = SETTINGS[name].model
            entries.append(
                SettingsEntry(place=place_of(value), name=name, values=self.values(value, model))
            )
        return entries

    def gateway(self, node: yaml.Node) -> GatewayEntry | None:
        keys = ("name", "password", "domains", "sending_domains", *GATEWAY_FIELDS)
        found = self.nodes.mapping(node, keys, needed=["name"])
        name = self.optional_text(found.get("name"))
        if name is None:
            return None
        destinations, senders = found.get("domains"), found.get("sending_domains")
        return GatewayEntry(
            place=place_of(node),
            name=name,
            values=self.nodes.fields(found, Gateway, GATEWAY_FIELDS),
            password=self.optional_text(found.get("password")),
            destinations=tuple(self.nodes.texts(destinations)) if destinations else None,
            sending_domains=tuple(self.nodes.texts(senders)) if senders else None,
        )

    def relay_domain(self, node: yaml.Node) -> RelayDomainEntry | None:
        found = self.nodes.mapping(node, ("name", *relaydomains.FIELDS), needed=["name"])
        name = self.domain_name(found.get("name"))
        if name is None:
            return None
        values = self.nodes.fields(found, RelayDomain, relaydomains.FIELDS)
        return RelayDomainEntry(place=place_of(node), name=name, values=values)

    def ban(self, node: yaml.Node) -> BanEntry | None:
        """A domain or `*.domain` alone, or a mapping with a note besides."""
        found = self._named(node, forwarding.read_pattern)
        if found is None:
            return None
        name, note = found
        return BanEntry(place=place_of(node), name=name, note=note)

    def single(self, node: yaml.Node) -> SingleDestinationEntry | None:
        """A domain or `.domain` alone, or a mapping with a note besides."""
        found = self._named(node, gateways.read_destination)
        if found is None:
            return None
        name, note = found
        return SingleDestinationEntry(place=place_of(node), name=name, note=note)

    def _named(self, node: yaml.Node, read: Callable[[str], str]) -> tuple[str, str | None] | None:
        """A name as `read` has it, and a note; None where it has been refused."""
        found = {"name": node}
        if not isinstance(node, yaml.ScalarNode):
            found = self.nodes.mapping(node, ("name", "note"), needed=["name"])
        text = self.optional_text(found.get("name"))
        if text is None:
            return None
        try:
            name = read(text)
        except NameMalformed as error:
            self.nodes.refuse(node, str(error))
            return None
        return name, self.optional_text(found.get("note"))

    def tls_policy(self, node: yaml.Node) -> TlsPolicyEntry | None:
        keys = ("destination", "level", "note")
        found = self.nodes.mapping(node, keys, needed=keys[:2])
        destination = self.optional_text(found.get("destination"))
        level = self.optional_text(found.get("level"))
        if destination is None or level is None:
            return None
        if level not in Level.values:
            self.nodes.refuse(found["level"], f"must be one of {', '.join(Level.values)}")
            return None
        try:
            destination = gateways.read_destination(destination)
        except NameMalformed as error:
            self.nodes.refuse(node, str(error))
            return None
        note = self.optional_text(found.get("note"))
        return TlsPolicyEntry(place=place_of(node), destination=destination, level=level, note=note)

    def network(self, node: yaml.Node) -> NetworkEntry | None:
        """A network alone, or a mapping with services and a note besides."""
        if isinstance(node, yaml.ScalarNode):
            network = self.nodes.text(node)
            return None if network is None else NetworkEntry(place=place_of(node), network=network)
        found = self.nodes.mapping(node, ("network", "services", "note"), needed=["network"])
        network, services = self.optional_text(found.get("network")), found.get("services")
        if network is None:
            return None
        return NetworkEntry(
            place=place_of(node),
            network=network,
            services=tuple(self.nodes.texts(services)) if services else None,
            note=self.optional_text(found.get("note")),
        )

    def listed(self, node: yaml.Node, *more: str) -> ListedEntry | None:
        """A network alone, or a mapping with services and a note besides."""
        if isinstance(node, yaml.ScalarNode):
            network = self.nodes.text(node)
            return None if network is None else ListedEntry(place=place_of(node), network=network)
        keys = ("network", "services", "note", *more)
        found = self.nodes.mapping(node, keys, needed=["network"])
        network, services = self.optional_text(found.get("network")), found.get("services")
        if network is None:
            return None
        return ListedEntry(
            place=place_of(node),
            network=network,
            services=tuple(self.nodes.texts(services)) if services else None,
            values=self.nodes.fields(found, WhitelistEntry, ("note", *more)),
        )

    def trusted(self, node: yaml.Node) -> ListedEntry | None:
        return self.listed(node, "skips_greylisting")

    def rule(self, node: yaml.Node) -> RuleEntry | None:
        found = self.nodes.mapping(node, rules.FIELDS, needed=["kind"])
        values = self.nodes.fields(found, AbuseRule, rules.FIELDS)
        if "kind" not in values:
            return None
        name = f"{values['kind']} {values.get('service', '')}".strip()
        return RuleEntry(place=place_of(node), name=name, values=values)

    def plan(self, node: yaml.Node) -> PlanEntry | None:
        found = self.nodes.mapping(node, ("name", *PLAN_FIELDS), needed=["name"])
        name = self.optional_text(found.get("name"))
        if name is None:
            return None
        values = self.nodes.fields(found, Plan, PLAN_FIELDS)
        return PlanEntry(place=place_of(node), name=name, values=values)
