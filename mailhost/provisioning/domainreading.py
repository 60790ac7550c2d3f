"""Entries about domains and people: users, aliases, administrators, and how domains begin."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import yaml

from accounts import apppasswords, services
from accounts.aliases import ALIAS_FIELDS, CATCH_ALL_FIELDS
from accounts.models import User, UserAlias
from accounts.passwords import Verifiers, from_hash, read_app_hash
from domains.models import TABS, Domain
from mailhost.provisioning import credentials
from mailhost.provisioning.entries import (
    AliasEntry,
    AppPasswordEntry,
    DefaultsEntry,
    DomainAliasEntry,
    DomainEntry,
    PersonEntry,
    UserEntry,
)
from mailhost.provisioning.entryreading import EntryReader
from mailhost.provisioning.listreading import ListReader
from mailhost.provisioning.nodes import place_of

CREDENTIALS = ("password", "password_hash", "scram_sha_256", "cram_md5_state")
OPTIONS = {
    "listen_ip": "listen_ip",
    "list_command_address": "list_command_address",
    "disabled": "is_disabled",
}


class DomainReader(EntryReader):
    def domain_defaults(self, node: yaml.Node) -> DefaultsEntry:
        """Written as those of a domain are."""
        found = self.nodes.mapping(node, (*OPTIONS, *TABS))
        values = {tab: self.values(found[tab], TABS[tab]) for tab in TABS if tab in found}
        values["options"] = self.options(found)
        return DefaultsEntry(place=place_of(node), values=values)

    def domain(self, node: yaml.Node) -> DomainEntry | None:
        keys = (
            "name",
            "admin",
            "folder_path",
            "reseller",
            "users",
            "user_aliases",
            "catch_all",
            "mailing_lists",
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
            mailing_lists=self.optional_entries(
                found.get("mailing_lists"), ListReader(self.nodes).mailing_list
            ),
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


def _read_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("is not base64") from None
