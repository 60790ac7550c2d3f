"""A YAML file to entries: every key, type and range is checked before anything is applied."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import yaml

from accounts import apppasswords, forwarding, services
from accounts.aliases import ALIAS_FIELDS, CATCH_ALL_FIELDS
from accounts.errors import HashNotUnderstood
from accounts.models import Plan, User, UserAlias
from accounts.passwords import Verifiers, from_hash, read_app_hash
from domains.errors import NameMalformed
from domains.localparts import LocalPartMalformed, read_local_part
from domains.models import TABS, Domain
from domains.names import read_name
from domains.values import settable_fields
from mailhost.provisioning import credentials
from mailhost.provisioning.entries import (
    AliasEntry,
    AppPasswordEntry,
    BanEntry,
    DefaultsEntry,
    DomainAliasEntry,
    DomainEntry,
    FileEntry,
    GatewayEntry,
    ListedEntry,
    NetworkEntry,
    PersonEntry,
    PlanEntry,
    RelayDomainEntry,
    RuleEntry,
    SettingsEntry,
    SingleDestinationEntry,
    TlsPolicyEntry,
    UserEntry,
)
from mailhost.provisioning.nodes import Nodes, Unreadable, compose, place_of
from mailhost.provisioning.settings import SETTINGS
from operations import rules
from operations.models import AbuseRule, WhitelistEntry
from spool import gateways, relaydomains
from spool.models import Gateway, RelayDomain
from transport.models import Level

T = TypeVar("T")

CREDENTIALS = ("password", "password_hash", "scram_sha_256", "cram_md5_state")
OPTIONS = {
    "listen_ip": "listen_ip",
    "list_command_address": "list_command_address",
    "disabled": "is_disabled",
}
PLAN_FIELDS = tuple(name for name in settable_fields(Plan) if name != "name")
GATEWAY_FIELDS = tuple(name for name in gateways.FIELDS if name != "name")


def read(text: str) -> FileEntry:
    """Raises Unreadable with all problems."""
    root = compose(text)
    reader = _Reader()
    entry = reader.file(root) if root is not None else FileEntry()
    if reader.nodes.problems:
        raise Unreadable(reader.nodes.problems)
    return entry


class _Reader:
    """One method for each kind of entry; None means that the entry was refused."""

    def __init__(self) -> None:
        self.nodes = Nodes()

    def file(self, node: yaml.Node) -> FileEntry:
        readers: dict[str, Callable[[yaml.Node], Any]] = {
            "settings": self.settings,
            "domain_defaults": self.domain_defaults,
            "relay_networks": lambda n: self.entries(n, self.network, "network"),
            "relay_domains": lambda n: self.entries(n, self.relay_domain, "name"),
            "forwarding_blacklist": lambda n: self.entries(n, self.ban, "name"),
            "single_destinations": lambda n: self.entries(n, self.single, "name"),
            "tls_policies": lambda n: self.entries(n, self.tls_policy, "destination"),
            "whitelist": lambda n: self.entries(n, self.trusted, "network"),
            "blacklist": lambda n: self.entries(n, self.listed, "network"),
            "abuse_rules": lambda n: self.entries(n, self.rule, "name"),
            "system_administrators": lambda n: self.entries(n, self.person, "username"),
            "plans": lambda n: self.entries(n, self.plan, "name"),
            "resellers": lambda n: self.entries(n, self.reseller, "username"),
            "domains": lambda n: self.entries(n, self.domain, "name"),
            "gateways": lambda n: self.entries(n, self.gateway, "name"),
        }
        found = self.nodes.mapping(node, readers)
        return FileEntry(**{key: readers[key](value) for key, value in found.items()})

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

    def settings(self, node: yaml.Node) -> list[SettingsEntry]:
        found = self.nodes.mapping(node, SETTINGS)
        entries = []
        for name, value in found.items():
            model = SETTINGS[name].model
            entries.append(
                SettingsEntry(place=place_of(value), name=name, values=self.values(value, model))
            )
        return entries

    def domain_defaults(self, node: yaml.Node) -> DefaultsEntry:
        """Written as those of a domain are."""
        found = self.nodes.mapping(node, (*OPTIONS, *TABS))
        values = {tab: self.values(found[tab], TABS[tab]) for tab in TABS if tab in found}
        values["options"] = self.options(found)
        return DefaultsEntry(place=place_of(node), values=values)

    def values(self, node: yaml.Node, model: Any) -> dict[str, Any]:
        """A mapping whose keys are the fields of one model."""
        names = settable_fields(model)
        return self.nodes.fields(self.nodes.mapping(node, names), model, names)

    def domain(self, node: yaml.Node) -> DomainEntry | None:
        keys = (
            "name",
            "admin",
            "folder_path",
            "reseller",
            "users",
            "user_aliases",
            "catch_all",
            "domain_aliases",
            *OPTIONS,
            *TABS,
        )
        found = self.nodes.mapping(node, keys, needed=["name"])
        name = self.domain_name(found.get("name"))
        if name is None:
            return None
        admin = self.user(found["admin"]) if "admin" in found else None
        users = self.users(found.get("users"), admin)
        return DomainEntry(
            place=place_of(node),
            name=name,
            admin=admin,
            options=self.options(found),
            folder_path=self.optional_text(found.get("folder_path")),
            reseller=self.optional_text(found.get("reseller")),
            tabs={tab: self.values(found[tab], TABS[tab]) for tab in TABS if tab in found},
            users=users,
            user_aliases=self.optional_entries(found.get("user_aliases"), self.alias),
            catch_all=self.catch_all(found["catch_all"]) if "catch_all" in found else None,
            domain_aliases=self.optional_entries(found.get("domain_aliases"), self.domain_alias),
        )

    def options(self, found: dict[str, yaml.Node]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, name in OPTIONS.items():
            if key not in found:
                continue
            if key == "listen_ip" and found[key].value == "all":
                values[name] = None
            elif (value := self.nodes.field(found[key], Domain._meta.get_field(name))) is not None:
                values[name] = value
        return values

    def users(self, node: yaml.Node | None, admin: UserEntry | None) -> Sequence[UserEntry] | None:
        entries = self.optional_entries(node, self.user, "username")
        for entry in entries or ():
            if admin is not None and entry.username == admin.username and node is not None:
                self.nodes.refuse(node, f"{entry.username} is the admin and stands there only")
        return entries

    def user(self, node: yaml.Node) -> UserEntry | None:
        keys = ("username", *CREDENTIALS, "administrator", "app_passwords", *services.USER_FIELDS)
        found = self.nodes.mapping(node, keys, needed=["username"])
        username = self.local_part(found.get("username"))
        if username is None:
            return None
        is_administrator = found.get("administrator")
        return UserEntry(
            place=place_of(node),
            username=username,
            password=self.optional_text(found.get("password")),
            verifiers=self.verifiers(found),
            is_administrator=self.nodes.switch(is_administrator) if is_administrator else None,
            values=self.nodes.fields(found, User, services.USER_FIELDS),
            app_passwords=self.optional_entries(found.get("app_passwords"), self.app_password),
        )

    def person(self, node: yaml.Node, *more: str) -> PersonEntry | None:
        fields = services.PERSON_FIELDS
        keys = ("username", *CREDENTIALS, *fields, *more)
        found = self.nodes.mapping(node, keys, needed=["username"])
        username = self.local_part(found.get("username"))
        if username is None:
            return None
        return PersonEntry(
            place=place_of(node),
            username=username,
            password=self.optional_text(found.get("password")),
            verifiers=self.verifiers(found),
            values=self.nodes.fields(found, User, fields),
            plan=self.optional_text(found.get("plan")),
        )

    def reseller(self, node: yaml.Node) -> PersonEntry | None:
        return self.person(node, "plan")

    def app_password(self, node: yaml.Node) -> AppPasswordEntry | None:
        keys = ("name", "password_hash", "cram_md5_state", "scopes")
        found = self.nodes.mapping(node, keys, needed=["name", "password_hash"])
        name, hashed = self.optional_text(found.get("name")), found.get("password_hash")
        encoded = self.parsed(hashed, read_app_hash) if hashed else None
        state = found.get("cram_md5_state")
        scopes = tuple(self.nodes.texts(found["scopes"])) if "scopes" in found else ()
        for scope in scopes:
            if scope not in apppasswords.SCOPES:
                self.nodes.refuse(found["scopes"], f"there is no service {scope}")
        if name is None or encoded is None:
            return None
        return AppPasswordEntry(
            place=place_of(node),
            name=name,
            encoded=encoded,
            cram_md5_state=(self.parsed(state, _read_base64) if state else None) or b"",
            scopes=scopes,
        )

    def verifiers(self, found: dict[str, yaml.Node]) -> Verifiers | None:
        node = found.get("password_hash")
        if "password" in found or node is None:
            for key in CREDENTIALS[1:]:
                if key in found:
                    reason = "stands beside a password_hash, and neither beside a password"
                    self.nodes.refuse(found[key], f"{key} {reason}")
            return None
        hashed = self.parsed(node, from_hash)
        if hashed is None:
            return None
        scram, state = found.get("scram_sha_256"), found.get("cram_md5_state")
        return Verifiers(
            hashed.password,
            self.parsed(scram, credentials.read_scram) if scram else None,
            (self.parsed(state, _read_base64) if state else None) or b"",
        )

    def parsed(self, node: yaml.Node, parse: Callable[[str], T]) -> T | None:
        """What `parse` makes of a text; what it raises becomes a problem."""
        text = self.nodes.text(node)
        try:
            return parse(text) if text is not None else None
        except (ValueError, HashNotUnderstood) as error:
            self.nodes.refuse(node, str(error))
            return None

    def alias(self, node: yaml.Node) -> AliasEntry | None:
        keys = ("name", "targets", *ALIAS_FIELDS)
        found = self.nodes.mapping(node, keys, needed=["name"])
        name = self.local_part(found.get("name"))
        if name is None:
            return None
        targets = found.get("targets")
        return AliasEntry(
            place=place_of(node),
            name=name,
            targets=tuple(self.nodes.texts(targets)) if targets else None,
            values=self.nodes.fields(found, UserAlias, ALIAS_FIELDS),
        )

    def catch_all(self, node: yaml.Node) -> AliasEntry:
        """Targets alone, or a mapping with the options of an alias besides."""
        if not isinstance(node, yaml.MappingNode):
            return AliasEntry(place=place_of(node), name="*", targets=tuple(self.nodes.texts(node)))
        found = self.nodes.mapping(node, ("targets", *CATCH_ALL_FIELDS), needed=["targets"])
        targets = self.nodes.texts(found["targets"]) if "targets" in found else []
        values = self.nodes.fields(found, UserAlias, CATCH_ALL_FIELDS)
        return AliasEntry(place=place_of(node), name="*", targets=tuple(targets), values=values)

    def domain_alias(self, node: yaml.Node) -> DomainAliasEntry | None:
        name = self.domain_name(node)
        return None if name is None else DomainAliasEntry(place=place_of(node), name=name)

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

    def optional_entries(
        self, node: yaml.Node | None, read_one: Callable[[yaml.Node], T | None], key: str = "name"
    ) -> list[T] | None:
        return None if node is None else self.entries(node, read_one, key)

    def optional_text(self, node: yaml.Node | None) -> str | None:
        return None if node is None else self.nodes.text(node)

    def domain_name(self, node: yaml.Node | None) -> str | None:
        text = self.optional_text(node)
        if node is None or text is None:
            return None
        try:
            return read_name(text).name
        except NameMalformed as error:
            self.nodes.refuse(node, str(error))
            return None

    def local_part(self, node: yaml.Node | None) -> str | None:
        text = self.optional_text(node)
        if node is None or text is None:
            return None
        try:
            return read_local_part(text)
        except LocalPartMalformed as error:
            self.nodes.refuse(node, str(error))
            return None


def _read_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("is not base64") from None
