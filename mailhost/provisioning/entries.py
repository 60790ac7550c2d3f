"""What a file says, as values; None and absent keys mean: leave it as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.passwords import Verifiers
from mailhost.provisioning.nodes import Place

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPasswordEntry:
    place: Place
    name: str
    encoded: str
    cram_md5_state: bytes = b""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEntry:
    """`verifiers`: hashes made elsewhere, instead of `password`."""

    place: Place
    username: str
    password: str | None = None
    verifiers: Verifiers | None = None
    is_administrator: bool | None = None
    values: Values = field(default_factory=dict)
    app_passwords: Sequence[AppPasswordEntry] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonEntry:
    """A system administrator or a reseller; `plan` is the reseller's, by name."""

    place: Place
    username: str
    password: str | None = None
    verifiers: Verifiers | None = None
    values: Values = field(default_factory=dict)
    plan: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasEntry:
    place: Place
    name: str
    targets: tuple[str, ...] | None = None
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberEntry:
    """Somebody who has agreed."""

    place: Place
    address: str
    name: str | None = None
    mode: str | None = None
    is_suspended: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingListEntry:
    """`poster_rules`: pairs of an address or @domain, and `allow` or `ban`."""

    place: Place
    name: str
    values: Values = field(default_factory=dict)
    moderators: tuple[str, ...] | None = None
    poster_rules: tuple[tuple[str, str], ...] | None = None
    post_password: str | None = None
    subscribers: Sequence[SubscriberEntry] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainAliasEntry:
    place: Place
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEntry:
    """`catch_all` without targets takes the catch-all away."""

    place: Place
    name: str
    admin: UserEntry | None = None
    options: Values = field(default_factory=dict)
    folder_path: str | None = None
    reseller: str | None = None
    tabs: Mapping[str, Values] = field(default_factory=dict)
    users: Sequence[UserEntry] | None = None
    user_aliases: Sequence[AliasEntry] | None = None
    catch_all: AliasEntry | None = None
    mailing_lists: Sequence[MailingListEntry] | None = None
    domain_aliases: Sequence[DomainAliasEntry] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayEntry:
    place: Place
    name: str
    values: Values = field(default_factory=dict)
    password: str | None = None
    destinations: tuple[str, ...] | None = None
    sending_domains: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEntry:
    place: Place
    network: str
    services: tuple[str, ...] | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayDomainEntry:
    place: Place
    name: str
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEntry:
    """On the blacklist or the whitelist."""

    place: Place
    network: str
    services: tuple[str, ...] | None = None
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEntry:
    """A detection rule; kind and service name it."""

    place: Place
    name: str
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BanEntry:
    """An entry of the forwarding blacklist."""

    place: Place
    name: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleDestinationEntry:
    """A destination to which mail goes one recipient at a time."""

    place: Place
    name: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPolicyEntry:
    """An exception from the TLS policies of one destination."""

    place: Place
    destination: str
    level: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEntry:
    place: Place
    name: str
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsEntry:
    """`name` is one of the single rows: login, listeners, spool."""

    place: Place
    name: str
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultsEntry:
    """What new domains begin with: values by part, which is a tab or "options"."""

    place: Place
    values: Mapping[str, Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A whole file, in the order in which it is applied."""

    settings: Sequence[SettingsEntry] = ()
    domain_defaults: DefaultsEntry | None = None
    relay_networks: Sequence[NetworkEntry] | None = None
    relay_domains: Sequence[RelayDomainEntry] | None = None
    forwarding_blacklist: Sequence[BanEntry] | None = None
    single_destinations: Sequence[SingleDestinationEntry] | None = None
    tls_policies: Sequence[TlsPolicyEntry] | None = None
    whitelist: Sequence[ListedEntry] | None = None
    blacklist: Sequence[ListedEntry] | None = None
    abuse_rules: Sequence[RuleEntry] | None = None
    system_administrators: Sequence[PersonEntry] = ()
    plans: Sequence[PlanEntry] = ()
    resellers: Sequence[PersonEntry] = ()
    domains: Sequence[DomainEntry] = ()
    gateways: Sequence[GatewayEntry] | None = None
