"""A YAML file to entries: every key, type and range is checked before anything is applied."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import yaml

from mailhost.provisioning.domainreading import DomainReader
from mailhost.provisioning.entries import FileEntry
from mailhost.provisioning.nodes import Nodes, Unreadable, compose
from mailhost.provisioning.systemreading import SystemReader


def read(text: str) -> FileEntry:
    """Raises Unreadable with all problems."""
    root, nodes = compose(text), Nodes()
    entry = _file(root, nodes) if root is not None else FileEntry()
    if nodes.problems:
        raise Unreadable(nodes.problems)
    return entry


def _file(node: yaml.Node, nodes: Nodes) -> FileEntry:
    system, domains = SystemReader(nodes), DomainReader(nodes)
    # The lists: what reads an entry, and its attribute that must not come twice.
    lists: dict[str, tuple[Callable[[yaml.Node], Any], str]] = {
        "relay_networks": (system.network, "network"),
        "relay_domains": (system.relay_domain, "name"),
        "forwarding_blacklist": (system.ban, "name"),
        "single_destinations": (system.single, "name"),
        "tls_policies": (system.tls_policy, "destination"),
        "whitelist": (system.trusted, "network"),
        "blacklist": (system.listed, "network"),
        "abuse_rules": (system.rule, "name"),
        "system_administrators": (domains.person, "username"),
        "plans": (system.plan, "name"),
        "resellers": (domains.reseller, "username"),
        "domains": (domains.domain, "name"),
        "gateways": (system.gateway, "name"),
    }
    readers: dict[str, Callable[[yaml.Node], Any]] = {
        "settings": system.settings,
        "domain_defaults": domains.domain_defaults,
        **{
            name: partial(system.entries, read_one=read_one, key=key)
            for name, (read_one, key) in lists.items()
        },
    }
    found = nodes.mapping(node, readers)
    return FileEntry(**{key: readers[key](value) for key, value in found.items()})
